#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {

Outcome<int> identity_verify(const Invocation& invocation) {
    std::vector<std::string> names = invocation.arguments;
    if (names.empty()) {
        const auto all = read_identities();
        if (!all) return std::unexpected(all.error());
        if (all->vault.state != "open") return std::unexpected(Failure{exit_person, all->vault.reason, all->vault.error_name});
        for (const auto& relay : all->relays) names.push_back(relay.name);
    }
    // Every relay is checked, whatever comes of the others; the exit status is the worst one's.
    int worst = exit_ok;
    auto results = nlohmann::ordered_json::array();
    std::vector<std::vector<Cell>> rows;
    for (const auto& name : names) {
        const auto verified = verify_relay(name);
        if (!verified && names.size() == 1) return std::unexpected(verified.error());
        if (!verified) worst = std::max(worst, verified.error().exit_status);
        const auto message = verified ? "" : verified.error().message;
        results.push_back(
            {{"name", name}, {"good", verified.has_value()}, {"error", verified ? "" : verified.error().error_name}, {"message", message}});
        rows.push_back(
            {{"●", verified ? Tone::good : Tone::bad}, {name, Tone::strong}, {verified ? "whole, and what is installed" : message}});
    }
    std::cout << (invocation.json ? results.dump(2) + "\n" : table(rows));
    return worst;
}

}  // namespace lethe::ctl
