#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tpm/tpm.hpp"

namespace lethe {

/// One event of the boot, as `systemd-pcrlock log` lists it.
struct LogEvent {
    unsigned pcr;
    Digest digest;
    bool firmware;            ///< of the firmware's log, so from before the kernel; else of systemd's own
    std::string type;         ///< such as "efi-boot-services-application"; may be empty
    std::string component;    ///< the component that it matches; empty when none does
    std::string description;  ///< what the event says about itself; may be empty, is not to be trusted
};

/// What stands between a PCR and a policy: systemd-pcrlock leaves a PCR out, without failing, unless all three are true.
struct PcrReport {
    bool matches_log = false;            ///< its value is what the log adds up to
    bool all_events_matched = false;     ///< every event in it belongs to a component
    bool no_missing_components = false;  ///< every component that touches it is in the log
};

struct EventLog {
    std::vector<LogEvent> events;  ///< in order
    std::map<unsigned, PcrReport> pcrs;
    std::vector<std::string> missing_components;
};

/// Parses what `systemd-pcrlock log --json=short` prints. `missing_components` stays empty: the names are not in it. @error corrupt
Result<EventLog> parse_event_log(std::string_view json);

/// The names of the components that the log lacks, from what systemd-pcrlock says about it on its standard error.
std::vector<std::string> missing_components(std::string_view standard_error);

}  // namespace lethe
