// The event log as systemd-pcrlock lists it, and what is concluded from it. The input is its errors and its JSON.

#include <algorithm>

#include "fuzz.hpp"
#include "pcrlock/component.hpp"
#include "pcrlock/gate.hpp"

using namespace lethe;
using fuzz::require;

// The records of a UKI as this log may have them: what no component accounts for.
static std::vector<Record> unaccounted(const EventLog& log) {
    std::vector<Record> records;
    for (const LogEvent& event : log.events)
        if (event.firmware && (event.pcr == 11 || (event.pcr == 4 && event.component.empty())))
            records.push_back({event.pcr, event.digest});
    return records;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const auto missing = missing_components(input.text());
    for (const std::string& name : missing) require(!name.contains('\''), "a component's name ends at its quote");
    auto log = parse_event_log(as_text(input.rest()));
    if (!fuzz::parsed(log)) return 0;
    for (const LogEvent& event : log->events) require(event.pcr < 24, "an event is in a PCR");

    if (const auto records = booted_uki_records(*log, unaccounted(*log)); fuzz::parsed(records, {ErrorKind::wrong_state}))
        require(
            std::ranges::all_of(*records, [](const Record& record) { return record.pcr == 4 || (record.pcr >= 11 && record.pcr <= 13); }),
            "a UKI measures into PCRs 4 and 11 to 13");
    PcrPolicy policy;
    PcrValues present;
    for (const LogEvent& event : log->events) {
        if (std::ranges::contains(policy, event.pcr, &AdmittedPcr::pcr)) continue;
        policy.push_back({event.pcr, {event.digest}});
        present[event.pcr] = event.digest;
    }
    const unsigned all[] = {4, 7, 11, 12, 13};
    const bool whole = std::ranges::all_of(all, [&](unsigned pcr) { return present.contains(pcr); });
    require(fuzz::parsed(check_gate(all, policy, present, *log), {ErrorKind::policy_mismatch}) == whole,
            "the gate opens when no PCR is left out");
    return 0;
}
