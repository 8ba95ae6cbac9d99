#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pcrlock/event_log.hpp"

namespace lethe {

/// One measurement that a component file (*.pcrlock) expects. Source: systemd.pcrlock(5).
struct Record {
    unsigned pcr;
    Digest digest;
    bool operator==(const Record&) const = default;
};

/// @error corrupt  not a component file, or a record without a SHA-256 digest.
Result<std::vector<Record>> parse_component(std::string_view json);
std::string encode_component(std::span<const Record> records);

/// What the booted UKI makes the machine measure, in the order of the event log: its PE image and, where the stub loads it through the
/// firmware, the inner kernel (PCR 4), its sections (11), and what the stub took besides (12 and 13: credentials, command lines,
/// extensions). No verb of systemd-pcrlock predicts all of that; the boot that is being locked is admitted by definition. Events that
/// match another component already are left to it.
///
/// @param uki  what `systemd-pcrlock lock-uki` says of the UKI's file: PCR 4, then PCR 11.
/// @error wrong_state  the file is not what was booted.
Result<std::vector<Record>> booted_uki_records(const EventLog& log, std::span<const Record> uki);

/// The same for a UKI that the firmware took from the network, of which there is no file to compare with: what was loaded since the
/// firmware last called a boot option, and all that its stub measured.
/// @error wrong_state  nothing was loaded.
Result<std::vector<Record>> booted_network_records(const EventLog& log);

}  // namespace lethe
