#include "lethectl/overview.hpp"

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"
#include "lethectl/state_text.hpp"
#include "lethectl/store_text.hpp"
#include "lethectl/update_text.hpp"

namespace lethe::ctl {
namespace {

constexpr std::chrono::days renewal_time{15};

// With the master key here, tor makes a new one itself.
bool signing_key_ends_before(const Relay& relay, std::chrono::sys_seconds time) {
    if (relay.has_master_key || relay.signing_key_expires == 0) return false;
    return std::chrono::sys_seconds{std::chrono::seconds{relay.signing_key_expires}} < time;
}

bool has_good_identity(const Overview& overview, const RelayLine& line) {
    return line.relay.state == "installed" && line.tor.active != "failed" && !signing_key_ends_before(line.relay, overview.now);
}

bool is_good(const Overview& overview, const RelayLine& line) {
    return has_good_identity(overview, line) && !needs_person(overview.keeper, line.state);
}

// Why the keys or tor are not well and what to do; or a note.
std::string identity_reason(const Overview& overview, const RelayLine& line) {
    const auto& [relay, tor, state] = line;
    if (relay.state != "installed") return relay.reason;
    if (tor.active == "failed") return tor.text.empty() ? std::format("see `systemctl status {}`", tor_unit(relay.name)) : tor.text;
    if (tor.active == "activating" && !tor.text.empty()) return tor.text;  // what it waits for
    if (signing_key_ends_before(relay, overview.now + renewal_time))
        return std::format("its signing key ends {}; bring a new one: `lethectl identity import --replace {} {} DIR`",
                           date_text(relay.signing_key_expires), relay.fingerprint, relay.name);
    return relay.reason;
}

// What holds for all relays is said once, below them.
std::string state_reason(const Overview& overview, const RelayLine& line) {
    return line.state.reason == overview.keeper.reason ? "" : line.state.reason;
}

// The reason for the red dot before any note.
std::string reason(const Overview& overview, const RelayLine& line) {
    auto first = identity_reason(overview, line), second = state_reason(overview, line);
    if (has_good_identity(overview, line) && needs_person(overview.keeper, line.state)) std::swap(first, second);
    return first.empty() ? second : first;
}

// Dots come first and alone in their column, so that a person who looks at the console sees red at once. While the vault is shut there is
// one reason for everything.
std::vector<Cell> row(const Overview& overview, const RelayLine& line) {
    const bool open = overview.vault.state == "open";
    return {{"●", is_good(overview, line) ? Tone::good : Tone::bad},
            {line.relay.name, Tone::strong},
            {line.relay.fingerprint.empty() ? "-" : line.relay.fingerprint},
            {"keys " + line.relay.state},
            {"tor " + line.tor.active},
            {open ? "state " + state_word(overview.keeper, line.state) : ""},
            {open ? reason(overview, line) : ""}};
}

nlohmann::ordered_json json_of(const RelayLine& line) {
    auto relay = to_json(line.relay);
    relay["tor"] = line.tor.active;
    relay["tor_status"] = line.tor.text;
    relay["state_source"] = line.state.source;
    relay["state_reason"] = line.state.reason;
    relay["state_generation"] = line.state.generation;
    relay["restored_bandwidth"] = line.state.restored_bandwidth;
    return relay;
}

}  // namespace

bool Overview::good() const {
    return boot.good() && vault.state == "open" && store_reason(store).empty() && vault.recovery_reason.empty() && keeper.good() &&
           !(updates && needs_person(*updates)) && std::ranges::all_of(lines, [&](const RelayLine& line) { return is_good(*this, line); });
}

std::string Overview::text() const {
    const bool open = vault.state == "open";
    auto text = std::format("Vault: {}  (Lethe {})\n", in_tone(open ? Tone::good : Tone::bad, vault.state), vault.version);
    if (!open) text += "  " + vault.reason + "\n";
    text += boot_safety_text(boot);
    if (store.generation != 0 || store.counted != 0 || store.earlier_key) text += std::format("Store: {}\n", store_line(store));
    if (const auto reason = store_reason(store); open && !reason.empty()) text += in_tone(Tone::bad, "  " + reason) + "\n";
    std::vector<std::vector<Cell>> rows;
    for (const auto& line : lines) rows.push_back(row(*this, line));
    text += table(rows);
    if (open && lines.empty()) text += "  no relays yet; make one with `lethectl identity create NAME` as root\n";
    if (!vault.recovery_reason.empty()) text += "  recovery key: " + vault.recovery_reason + "\n";
    if (open) text += trouble_text(keeper);
    // A policy that does not admit this boot has just been told of.
    const bool is_told = vault.state == "shut" && updates && updates->policy_state == "mismatch";
    if (updates && !is_told) text += update_line(*updates, static_cast<std::uint64_t>(now.time_since_epoch().count()));
    return text;
}

std::string Overview::json() const {
    auto relays = nlohmann::ordered_json::array();
    for (const auto& line : lines) relays.push_back(json_of(line));
    const nlohmann::ordered_json vault_json{{"state", vault.state},
                                            {"error", vault.error_name},
                                            {"reason", vault.reason},
                                            {"recovery_key", vault.recovery_key},
                                            {"recovery_reason", vault.recovery_reason}};
    const nlohmann::ordered_json state_json{{"state", keeper.state},
                                            {"error", keeper.error_name},
                                            {"reason", keeper.reason},
                                            {"generation", keeper.generation},
                                            {"budget_left", keeper.budget_left}};
    const nlohmann::ordered_json updates_or_null = updates ? updates_json(*updates) : nlohmann::ordered_json{};
    const nlohmann::ordered_json all{{"version", vault.version},       {"secure_boot", boot.secure_boot},
                                     {"insecure", boot.insecure},      {"insecure_advice", boot.insecure_advice},
                                     {"boot_warnings", boot.warnings}, {"vault", vault_json},
                                     {"store", store_json(store)},     {"state", state_json},
                                     {"updates", updates_or_null},     {"relays", relays}};
    return all.dump(2) + "\n";
}

}  // namespace lethe::ctl
