#include "lethectl/state_text.hpp"

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"

namespace lethe::ctl {
namespace {

// Where there is none, numbers say nothing.
std::vector<Cell> row(const StateKeeper& keeper, const RelayState& relay, std::uint64_t now) {
    const auto if_any = [](bool any, std::string text) { return any ? std::move(text) : "-"; };
    const bool kept = relay.generation != 0;
    return {{relay.name, Tone::strong},
            {source_text(relay.source), needs_person(keeper, relay) ? Tone::bad : Tone::plain},
            {if_any(relay.restored_bandwidth != 0, rate_text(relay.restored_bandwidth))},
            {if_any(kept, std::to_string(relay.generation))},
            {if_any(kept, age_text(relay.taken, now))},
            {if_any(kept, size_text(relay.size_octets))}};
}

}  // namespace

States states_or_unknown(const Outcome<States>& read) {
    if (read) return *read;
    return {.keeper = {.state = "unknown", .reason = read.error().message, .error_name = read.error().error_name}, .relays = {}};
}

RelayState state_of(const States& states, const std::string& relay) {
    const auto found = std::ranges::find(states.relays, relay, &RelayState::name);
    if (found != states.relays.end()) return *found;
    const bool away = states.keeper.state == "unknown";
    return {
        .name = relay, .source = "unknown", .reason = away ? states.keeper.reason : "its state is kept from when its tor first writes it"};
}

bool needs_person(const StateKeeper& keeper, const RelayState& relay) {
    return !keeper.open() || ((relay.source == "nothing" || relay.source == "minimal") && !relay.reason.empty());
}

std::string state_word(const StateKeeper& keeper, const RelayState& relay) {
    if (relay.source == "unknown" || relay.source == "kept") return relay.source;
    const bool lost = needs_person(keeper, relay);
    if (relay.source == "nothing") return lost ? "lost" : "new";
    const auto rate = rate_text(relay.restored_bandwidth);
    return relay.source == "minimal" && lost ? "lost but " + rate : rate;
}

std::string source_text(const std::string& source) {
    if (source == "snapshot") return "newest snapshot";
    if (source == "previous") return "last but one snapshot";
    if (source == "minimal") return "bandwidth history in the TPM";
    if (source == "kept") return "tor's own folder";
    return source;
}

std::string trouble_text(const StateKeeper& keeper) {
    if (keeper.good()) return {};
    return std::format("  state {}{}{}\n", keeper.state, keeper.reason.empty() ? "" : ": ", keeper.reason);
}

std::string states_text(const States& states, std::uint64_t now) {
    std::vector<std::vector<Cell>> rows{{{"RELAY", Tone::strong},
                                         {"RESTORED FROM", Tone::strong},
                                         {"BANDWIDTH", Tone::strong},
                                         {"SNAPSHOT", Tone::strong},
                                         {"AGE", Tone::strong},
                                         {"SIZE", Tone::strong}}};
    for (const auto& relay : states.relays) rows.push_back(row(states.keeper, relay, now));
    auto text = table(rows);
    text += std::format("{} of {} snapshots left today\n", states.keeper.budget_left, states.keeper.snapshots_per_day);
    text += trouble_text(states.keeper);
    if (states.keeper.state == "minimal") text += "  no disk: the bandwidth history alone is kept, in the TPM\n";
    if (!states.keeper.minimal_reason.empty())
        text += std::format("  the TPM has no bandwidth history for when the disk is lost: {}\n", states.keeper.minimal_reason);
    for (const auto& relay : states.relays) {
        if (!relay.reason.empty() && relay.reason != states.keeper.reason) text += std::format("  {}: {}\n", relay.name, relay.reason);
        if (!relay.trouble.empty()) text += std::format("  {}: {}\n", relay.name, relay.trouble);
    }
    return text;
}

nlohmann::ordered_json states_json(const States& states) {
    auto relays = nlohmann::ordered_json::array();
    for (const auto& relay : states.relays)
        relays.push_back({{"name", relay.name},
                          {"source", relay.source},
                          {"reason", relay.reason},
                          {"trouble", relay.trouble},
                          {"generation", relay.generation},
                          {"taken", relay.taken},
                          {"size", relay.size_octets},
                          {"restored_bandwidth", relay.restored_bandwidth}});
    const auto& keeper = states.keeper;
    return {{"state", keeper.state},
            {"error", keeper.error_name},
            {"reason", keeper.reason},
            {"generation", keeper.generation},
            {"snapshots_per_day", keeper.snapshots_per_day},
            {"budget_left", keeper.budget_left},
            {"minimal_reason", keeper.minimal_reason},
            {"relays", relays}};
}

}  // namespace lethe::ctl
