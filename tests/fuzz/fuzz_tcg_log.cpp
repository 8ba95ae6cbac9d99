// The firmware's event log.

#include <algorithm>

#include "fuzz.hpp"
#include "measure/tcg_log.hpp"

using namespace lethe;
using fuzz::require;

static void check_event(const TcgEvent& event, const TcgLog& log) {
    require(!event.is_extended() || event.pcr < pcr_count, "an extended event is in a PCR");
    require(!name_of_event_type(event.type).empty(), "a type has a name");
    for (const auto& [bank, digest] : event.digests) {
        // The first event is in the SHA-1 format whatever the others are in.
        require(std::ranges::contains(log.banks, bank) || &event == &log.events.front(), "a digest is of a bank that the log declares");
        require(digest.bank == bank, "a digest stands under its own bank");
    }
}

static void check_replay(const TcgLog& log, Bank bank) {
    const auto extended = measurements(log, bank);
    const bool in_all =
        std::ranges::all_of(log.events, [&](const TcgEvent& event) { return !event.is_extended() || event.digests.contains(bank); });
    require(fuzz::parsed(extended, {ErrorKind::not_found}) == in_all, "a bank is found when every extended event has a digest of it");
    if (!extended) return;
    const auto values = replay(bank, *extended, log.locality);
    require(values.has_value(), "what a log extends can be replayed");
    const PcrBank reset = reset_values(bank, log.locality);
    for (unsigned pcr = 0; pcr < pcr_count; ++pcr)
        require(((*values)[pcr] == reset[pcr]) == !std::ranges::contains(*extended, pcr, &Measurement::pcr),
                "a PCR changes when something is extended into it");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto log = parse_tcg_log({data, size});
    if (!fuzz::parsed(log)) return 0;
    std::size_t data_octets = 0;
    for (const TcgEvent& event : log->events) {
        check_event(event, *log);
        data_octets += event.data.size();
    }
    require(data_octets < size, "the events' data are in the log");
    for (const Bank bank : all_banks) check_replay(*log, bank);
    return 0;
}
