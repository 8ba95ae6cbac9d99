#pragma once

#include <span>

#include "pcrlock/event_log.hpp"

namespace lethe {

/// The gate: whether `policy` admits the present boot in every PCR that is required. systemd-pcrlock leaves a PCR out when it cannot
/// account for it and says so in a log line only; here that is a failure.
///
/// @param log  of the same boot: it says why a PCR is not there.
/// @error policy_mismatch  it does not. Names each PCR, and the event or the component that is in the way.
Result<void> check_gate(std::span<const unsigned> required, const PcrPolicy& policy, const PcrValues& present, const EventLog& log);

}  // namespace lethe
