#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {
namespace {

bool is_good(const Relay& relay, const std::string& tor) { return relay.state == "installed" && tor != "failed"; }

Cell dot(bool good) { return {"●", good ? Tone::good : Tone::bad}; }

int print_json(const Identities& all, const std::vector<std::string>& tor_states, bool good) {
    nlohmann::ordered_json relays = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < all.relays.size(); ++i) {
        auto relay = to_json(all.relays[i]);
        relay["tor"] = tor_states[i];
        relays.push_back(std::move(relay));
    }
    const nlohmann::ordered_json vault{{"state", all.vault.state}, {"error", all.vault.error_name}, {"reason", all.vault.reason}};
    std::cout << nlohmann::ordered_json{{"version", all.vault.version}, {"vault", vault}, {"relays", relays}}.dump(2) << "\n";
    return good ? exit_ok : exit_person;
}

}  // namespace

Outcome<int> status(const Invocation& invocation) {
    const auto all = read_identities();
    if (!all) return std::unexpected(all.error());
    const bool open = all->vault.state == "open";
    bool good = open;
    std::vector<std::string> tor_states;
    for (const auto& relay : all->relays) {
        tor_states.push_back(unit_state(std::format("tor@{}.service", relay.name)));
        good &= is_good(relay, tor_states.back());
    }
    if (invocation.json) return print_json(*all, tor_states, good);

    // Dots come first and alone in their column, so that a person who looks at the console sees red at once.
    std::vector<std::vector<Cell>> rows;
    std::string reasons;
    for (std::size_t i = 0; i < all->relays.size(); ++i) {
        const auto& relay = all->relays[i];
        rows.push_back({dot(is_good(relay, tor_states[i])),
                        {relay.name, Tone::strong},
                        {relay.fingerprint.empty() ? "-" : relay.fingerprint},
                        {"keys " + relay.state},
                        {"tor " + tor_states[i]}});
        if (!relay.reason.empty() && open) reasons += std::format("  {}: {}\n", relay.name, relay.reason);
        else if (tor_states[i] == "failed") reasons += std::format("  {}: see `systemctl status tor@{}`\n", relay.name, relay.name);
    }
    std::cout << "Vault: " << in_tone(open ? Tone::good : Tone::bad, all->vault.state) << "  (Lethe " << all->vault.version << ")\n";
    if (!open) std::cout << "  " << all->vault.reason << "\n";
    std::cout << table(rows);
    if (rows.empty() && open) std::cout << "  no relays yet; make one with `lethectl identity create NAME` as root\n";
    std::cout << reasons;
    return good ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
