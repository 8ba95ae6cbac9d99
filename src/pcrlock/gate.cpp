#include "pcrlock/gate.hpp"

#include <algorithm>
#include <ranges>

namespace lethe {

namespace {

constexpr std::size_t values_limit = 8;  // of TPM2_PolicyOR; systemd-pcrlock notices only after it has made the NV index
constexpr std::size_t events_named = 3;

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string joined;
    for (const std::string& part : parts) joined += (joined.empty() ? "" : std::string(separator)) + part;
    return joined;
}

// Descriptions come from whoever measured; what could disturb a terminal or a log line is left out.
std::string printable(std::string_view text) {
    constexpr std::size_t limit = 80;
    std::string clean(text.substr(0, limit));
    std::ranges::replace_if(clean, [](char c) { return c < ' ' || c > '~' || c == '"'; }, '?');
    return clean;
}

std::string unmatched_events(unsigned pcr, const EventLog& log) {
    std::vector<std::string> named;
    std::size_t count = 0;
    for (std::size_t i = 0; i < log.events.size(); ++i) {
        const LogEvent& event = log.events[i];
        if (event.pcr != pcr || !event.component.empty() || ++count > events_named) continue;
        named.push_back(std::format("event {} ({}, \"{}\", {}...)", i, event.type.empty() ? "no type" : printable(event.type),
                                    printable(event.description), to_hex(event.digest).substr(0, 16)));
    }
    if (count > events_named) named.push_back(std::format("{} more", count - events_named));
    return join(named, ", ");
}

std::string why_left_out(unsigned pcr, const EventLog& log) {
    const auto report = log.pcrs.find(pcr);
    if (report == log.pcrs.end()) return "the event log does not say anything about it";
    std::vector<std::string> reasons;
    if (!report->second.matches_log) reasons.push_back("its value is not what the event log adds up to");
    if (!report->second.all_events_matched) reasons.push_back("no component accounts for " + unmatched_events(pcr, log));
    if (!report->second.no_missing_components)
        reasons.push_back(
            std::format("a component that touches it is not in the event log (missing: {})", join(log.missing_components, ", ")));
    return reasons.empty() ? "no value was predicted" : join(reasons, "; ");
}

// Empty when the PCR passes.
std::string objection(unsigned pcr, const PcrPolicy& policy, const PcrValues& present, const EventLog& log) {
    const auto admitted = std::ranges::find(policy, pcr, &AdmittedPcr::pcr);
    if (admitted == policy.end()) return std::format("PCR {} cannot be locked: {}", pcr, why_left_out(pcr, log));
    if (admitted->values.size() > values_limit)
        return std::format("PCR {} has {} possible values and a policy holds {}: fewer variants of its components are needed", pcr,
                           admitted->values.size(), values_limit);
    const auto value = present.find(pcr);
    if (value == present.end()) return std::format("the TPM does not tell PCR {}", pcr);
    if (!std::ranges::contains(admitted->values, value->second))
        return std::format("PCR {}: the present value {}... is not among the {} that are admitted", pcr,
                           to_hex(value->second).substr(0, 16), admitted->values.size());
    return {};
}

}  // namespace

Result<void> check_gate(std::span<const unsigned> required, const PcrPolicy& policy, const PcrValues& present, const EventLog& log) {
    std::vector<std::string> objections;
    for (unsigned pcr : required)
        if (auto text = objection(pcr, policy, present, log); !text.empty()) objections.push_back(std::move(text));
    if (!objections.empty()) return fail(ErrorKind::policy_mismatch, "{}", join(objections, ". "));
    return {};
}

}  // namespace lethe
