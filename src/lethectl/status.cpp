#include <algorithm>
#include <chrono>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"
#include "lethectl/output.hpp"

namespace lethe::ctl {
namespace {

// A relay and the tor that has its keys.
struct Line {
    Relay relay;
    ServiceState tor;

    std::string tor_unit() const { return std::format("tor@{}.service", relay.name); }
    bool good() const { return relay.state == "installed" && tor.active != "failed" && !signing_key_ends_within(std::chrono::days{0}); }
    /// Why it is not good and what to do; or a note.
    std::string reason() const {
        if (relay.state != "installed") return relay.reason;
        if (tor.active == "failed") return tor.text.empty() ? std::format("see `systemctl status {}`", tor_unit()) : tor.text;
        if (signing_key_ends_within(renewal_time))
            return std::format("its signing key ends {}; bring a new one: `lethectl identity import --replace {} {} DIR`",
                               date_text(relay.signing_key_expires), relay.fingerprint, relay.name);
        return relay.reason;
    }

private:
    static constexpr std::chrono::days renewal_time{15};

    // With the master key here, tor makes a new one itself.
    bool signing_key_ends_within(std::chrono::days time) const {
        if (relay.has_master_key || relay.signing_key_expires == 0) return false;
        return std::chrono::sys_seconds{std::chrono::seconds{relay.signing_key_expires}} < std::chrono::system_clock::now() + time;
    }
};

std::string as_json(const Vault& vault, const std::vector<Line>& lines) {
    auto relays = nlohmann::ordered_json::array();
    for (const auto& line : lines) {
        auto relay = to_json(line.relay);
        relay["tor"] = line.tor.active;
        relay["tor_status"] = line.tor.text;
        relays.push_back(std::move(relay));
    }
    const nlohmann::ordered_json vault_json{{"state", vault.state},
                                            {"error", vault.error_name},
                                            {"reason", vault.reason},
                                            {"recovery_key", vault.recovery_key},
                                            {"recovery_reason", vault.recovery_reason}};
    return nlohmann::ordered_json{{"version", vault.version}, {"vault", vault_json}, {"relays", relays}}.dump(2) + "\n";
}

std::string as_text(const Vault& vault, const std::vector<Line>& lines) {
    const bool open = vault.state == "open";
    auto text = std::format("Vault: {}  (Lethe {})\n", in_tone(open ? Tone::good : Tone::bad, vault.state), vault.version);
    if (!open) text += "  " + vault.reason + "\n";
    // Dots come first and alone in their column, so that a person who looks at the console sees red at once.
    std::vector<std::vector<Cell>> rows;
    for (const auto& line : lines) {
        rows.push_back({{"●", line.good() ? Tone::good : Tone::bad},
                        {line.relay.name, Tone::strong},
                        {line.relay.fingerprint.empty() ? "-" : line.relay.fingerprint},
                        {"keys " + line.relay.state},
                        {"tor " + line.tor.active},
                        {open ? line.reason() : ""}});
    }
    text += table(rows);
    if (open && lines.empty()) text += "  no relays yet; make one with `lethectl identity create NAME` as root\n";
    if (!vault.recovery_reason.empty()) text += "  recovery key: " + vault.recovery_reason + "\n";
    return text;
}

}  // namespace

Outcome<int> status(const Invocation& invocation) {
    const auto all = read_identities();
    if (!all) return std::unexpected(all.error());
    std::vector<Line> lines;
    for (const auto& relay : all->relays) {
        lines.push_back({relay, {}});
        lines.back().tor = service_state(lines.back().tor_unit());
    }
    std::cout << (invocation.json ? as_json(all->vault, lines) : as_text(all->vault, lines));
    const bool good = all->vault.state == "open" && all->vault.recovery_reason.empty() && std::ranges::all_of(lines, &Line::good);
    return good ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
