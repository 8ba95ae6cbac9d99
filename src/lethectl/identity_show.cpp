#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {

Outcome<int> identity_show(const Invocation& invocation) {
    const auto relay = read_relay(invocation.arguments[0]);
    if (!relay) return std::unexpected(relay.error());
    const bool installed = relay->state == "installed";
    if (invocation.json) {
        std::cout << to_json(*relay).dump(2) << "\n";
        return installed ? exit_ok : exit_person;
    }
    std::vector<std::vector<Cell>> rows{{{"Name"}, {relay->name, Tone::strong}},
                                        {{"State"}, {relay->state, installed ? Tone::good : Tone::bad}}};
    if (!relay->reason.empty()) rows.push_back({{"Reason"}, {relay->reason}});
    if (!relay->fingerprint.empty()) {
        rows.push_back({{"Fingerprint"}, {relay->fingerprint}});
        rows.push_back({{"Ed25519 identity"}, {relay->ed25519_identity}});
        rows.push_back({{"Generation"}, {std::to_string(relay->generation)}});
        rows.push_back({{"Signing key until"}, {date_text(relay->signing_key_expires)}});
        rows.push_back({{"Master key"}, {relay->has_master_key ? "here" : "kept offline"}});
        for (const auto& id : relay->family_ids) rows.push_back({{"Family"}, {id}});
    }
    if (!relay->key_folder.empty()) rows.push_back({{"Key folder"}, {relay->key_folder}});
    std::cout << table(rows);
    return installed ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
