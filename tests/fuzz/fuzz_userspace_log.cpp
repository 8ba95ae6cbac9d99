// systemd's log of its own measurements.

#include <algorithm>

#include "fuzz.hpp"
#include "measure/replay.hpp"
#include "measure/userspace_log.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    const auto events = parse_userspace_log(text);
    if (!fuzz::parsed(events)) return 0;
    require(static_cast<std::ptrdiff_t>(events->size()) == std::ranges::count(text, '\x1e'), "every record is an event");
    for (const UserspaceEvent& event : *events) require(event.pcr < pcr_count, "an event is in a PCR");
    for (const Bank bank : all_banks)
        if (const auto extended = measurements(*events, bank); fuzz::parsed(extended, {ErrorKind::not_found}))
            require(replay(bank, *extended).has_value(), "what a log extends can be replayed");
    if (!text.empty()) require(!parse_userspace_log(text.substr(0, text.size() - 1)), "a log that is cut short is refused");
    return 0;
}
