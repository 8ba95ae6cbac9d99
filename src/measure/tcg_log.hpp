#pragma once

#include <cstdint>
#include <vector>

#include "measure/event_types.hpp"
#include "measure/replay.hpp"

namespace lethe {

/// One event of the firmware's log.
struct TcgEvent {
    std::uint32_t pcr;    ///< 0 to 23 when the event extends one, anything otherwise
    std::uint32_t type;   ///< name_of_event_type() says which
    BankDigests digests;  ///< of the banks that Lethe knows; an event may lack some that the log declares
    Octets data;          ///< what the event says about itself; is not to be trusted unless its digest is compared

    /// Events that tell something are in the log alone. Source: TCG PC Client Platform Firmware Profile, section 10, "EV_NO_ACTION Event
    /// Types".
    bool is_extended() const { return type != event_type::no_action; }
};

/// A TCG event log, as the kernel shows it in /sys/kernel/security/tpm0/binary_bios_measurements.
struct TcgLog {
    std::vector<Bank> banks;  ///< that the log declares, in its order, of those that Lethe knows; sha1 alone in a SHA-1 log
    StartupLocality locality = StartupLocality::locality_0;
    std::vector<TcgEvent> events;  ///< in order, with those that are not extended
};

/// Parses a log in the SHA-1 format, or in the crypto-agile one, which begins with a Spec ID Event03. Digests of banks that Lethe does not
/// know are passed over.
///
/// @error corrupt  the octets are not a log, or there is no event in them; the message says at which event and octet, both from 0.
/// Source: TCG PC Client Platform Firmware Profile, section 10, "TCG_PCClientPCREvent Structure" and "TCG_PCR_EVENT2 Structure".
Result<TcgLog> parse_tcg_log(OctetView octets);

/// What the events of a log extend in one bank, in order.
///
/// @error not_found  an event that is extended has no digest of that bank.
Result<std::vector<Measurement>> measurements(const TcgLog& log, Bank bank);

}  // namespace lethe
