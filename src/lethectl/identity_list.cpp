#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {

Outcome<int> identity_list(const Invocation& invocation) {
    const auto all = read_identities();
    if (!all) return std::unexpected(all.error());
    if (invocation.json) {
        auto relays = nlohmann::ordered_json::array();
        for (const auto& relay : all->relays) relays.push_back(to_json(relay));
        std::cout << relays.dump(2) << "\n";
        return exit_ok;
    }
    std::vector<std::vector<Cell>> rows{
        {{"NAME", Tone::strong}, {"STATE", Tone::strong}, {"FINGERPRINT", Tone::strong}, {"ED25519", Tone::strong}}};
    const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
    for (const auto& relay : all->relays) {
        rows.push_back({{relay.name},
                        {relay.state, relay.state == "installed" ? Tone::good : Tone::bad},
                        {or_dash(relay.fingerprint)},
                        {or_dash(relay.ed25519_identity)}});
    }
    std::cout << table(rows);
    return exit_ok;
}

}  // namespace lethe::ctl
