#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "measure/measurement.hpp"

namespace lethe {

/// One measurement that systemd made when the kernel ran.
struct UserspaceEvent {
    unsigned pcr;
    BankDigests digests;     ///< of the banks that Lethe knows
    std::string event_type;  ///< such as "phase" or "machine-id"; may be empty
    std::string content;     ///< what was measured, such as "enter-initrd"; may be empty, is not to be trusted
};

/// Parses systemd's log of its own measurements, /run/log/systemd/tpm2-measure.log: records of the TCG's Canonical Event Log in JSON, as a
/// JSON text sequence. Digests of banks that Lethe does not know are passed over.
///
/// @return         the events in order; none when the log is empty.
/// @error corrupt  not such a log, or its last record is cut short; the message says at which record and octet, both from 0.
/// Source: RFC 7464, section 2.2; systemd 257, src/shared/tpm2-util.c, tpm2_userspace_log().
Result<std::vector<UserspaceEvent>> parse_userspace_log(std::string_view log);

/// What the events extend in one bank, in order. @error not_found  an event has no digest of that bank.
Result<std::vector<Measurement>> measurements(const std::vector<UserspaceEvent>& events, Bank bank);

}  // namespace lethe
