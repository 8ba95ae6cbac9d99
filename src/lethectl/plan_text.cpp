#include "lethectl/plan_text.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"

namespace lethe::ctl {
namespace {

// Digits enough to tell values apart.
std::string shortened(OctetView digest) { return digest.empty() ? "-" : to_hex(digest).substr(0, 16); }

// Rounded down, so that none seems to reach a limit that it misses.
std::string percent_text(double fraction) { return std::format("{:.2f} %", std::floor(fraction * 10000) / 100); }

template <class T>
std::string from_to(const std::optional<T>& before, const std::optional<T>& after, std::string (*text_of)(T)) {
    const auto known = [&](const std::optional<T>& figure) { return figure ? text_of(*figure) : "-"; };
    const auto first = known(before), second = known(after);
    return first == second ? first : std::format("{} -> {}", first, second);
}

// The values at the moments of a boot are often one.
std::vector<Octets> distinct(std::vector<Octets> values) {
    std::vector<Octets> found;
    for (auto& value : values)
        if (!std::ranges::contains(found, value)) found.push_back(std::move(value));
    return found;
}

void add_rows(const PlannedPcr& pcr, std::vector<std::vector<Cell>>& rows) {
    const auto predicted = distinct(pcr.predicted);
    const auto cell = [&](const Octets& value) { return Cell{shortened(value), value == pcr.present ? Tone::faint : Tone::strong}; };
    rows.push_back({{std::to_string(pcr.pcr)},
                    {shortened(pcr.present)},
                    predicted.empty() ? Cell{"-"} : cell(predicted[0]),
                    {pcr.event.empty() ? "nothing" : pcr.event, pcr.event.empty() ? Tone::faint : Tone::plain},
                    {pcr.required ? "" : "(not in the policy)", Tone::faint}});
    for (std::size_t i = 1; i < predicted.size(); ++i) rows.push_back({{""}, {""}, cell(predicted[i])});
}

std::string pcrs_table(const Plan& plan) {
    std::vector<std::vector<Cell>> rows{
        {{"PCR", Tone::strong}, {"PRESENT", Tone::strong}, {"PREDICTED", Tone::strong}, {"CHANGED BY", Tone::strong}}};
    for (const auto& pcr : plan.pcrs) add_rows(pcr, rows);
    return table(rows);
}

std::string relays_table(const Plan& plan) {
    std::vector<std::vector<Cell>> rows{{{"RELAY", Tone::strong},
                                         {"MTBF", Tone::strong},
                                         {"WFU", Tone::strong},
                                         {"TIME KNOWN", Tone::strong},
                                         {"FLAGS", Tone::strong},
                                         {"AT RISK", Tone::strong}}};
    for (const auto& relay : plan.relays)
        rows.push_back({{relay.name, Tone::strong},
                        {from_to(relay.mtbf, relay.mtbf_after, duration_text)},
                        {from_to(relay.wfu, relay.wfu_after, percent_text)},
                        {relay.time_known ? duration_text(*relay.time_known) : "-"},
                        {list_text(relay.flags)},
                        {list_text(relay.at_risk), relay.at_risk.empty() ? Tone::good : Tone::bad}});
    return table(rows);
}

std::string advice_text(const Plan& plan, std::uint64_t now) {
    return std::format("Reboot: {} without tor; advised {}{}{}\n", duration_text(plan.downtime),
                       in_tone(Tone::strong, moment_text(plan.advised, now)), plan.advice.empty() ? "" : ": ", plan.advice);
}

nlohmann::ordered_json json_of(const PlannedPcr& pcr) {
    auto predicted = nlohmann::ordered_json::array();
    for (const auto& value : pcr.predicted) predicted.push_back(to_hex(value));
    return {{"pcr", pcr.pcr}, {"present", to_hex(pcr.present)}, {"predicted", predicted}, {"event", pcr.event}, {"required", pcr.required}};
}

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& figure) {
    return figure ? nlohmann::ordered_json(*figure) : nlohmann::ordered_json();
}

nlohmann::ordered_json json_of(const RelayCost& relay) {
    return {{"name", relay.name},
            {"mtbf", or_null(relay.mtbf)},
            {"mtbf_after", or_null(relay.mtbf_after)},
            {"wfu", or_null(relay.wfu)},
            {"wfu_after", or_null(relay.wfu_after)},
            {"time_known", or_null(relay.time_known)},
            {"flags", relay.flags},
            {"at_risk", relay.at_risk},
            {"why", relay.why}};
}

}  // namespace

std::string plan_text(const Plan& plan, std::uint64_t now) {
    auto text =
        std::format("From {} to {}\n\n", in_tone(Tone::strong, plan.running), in_tone(Tone::strong, plan.staged)) + pcrs_table(plan) + "\n";
    if (!plan.relays.empty()) text += relays_table(plan);
    for (const auto& relay : plan.relays)
        if (!relay.why.empty()) text += std::format("  {}: {}\n", relay.name, relay.why);
    return text + advice_text(plan, now);
}

nlohmann::ordered_json plan_json(const Plan& plan) {
    auto pcrs = nlohmann::ordered_json::array(), relays = nlohmann::ordered_json::array();
    for (const auto& pcr : plan.pcrs) pcrs.push_back(json_of(pcr));
    for (const auto& relay : plan.relays) relays.push_back(json_of(relay));
    return {{"running", plan.running},   {"staged", plan.staged},   {"pcrs", pcrs},         {"relays", relays},
            {"downtime", plan.downtime}, {"advised", plan.advised}, {"advice", plan.advice}};
}

}  // namespace lethe::ctl
