#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/file.hpp"
#include "lethectl/command.hpp"

namespace lethe::ctl {

struct RunningRelease {
    std::string version;
    std::string file;
    bool secure_boot = false;
    bool trial = false;
};

struct StagedRelease {
    std::string version;
    std::string file;
    std::string state;  ///< "staged", "failed", "waiting" or "unfinished"
    std::uint32_t tries_left = 0;
    std::uint32_t tries_done = 0;
    std::uint32_t trials = 0;  ///< that lacked the network alone, while it is waiting
    std::uint64_t again = 0;   ///< when it is staged again, in seconds since the epoch; 0 unless it is waiting
};

struct PlannedPcr {
    unsigned pcr = 0;
    Octets present;
    std::vector<Octets> predicted;  ///< one for each moment at which the vault is opened
    std::string event;              ///< what changes it
    bool required = false;
};

/// What the reboot costs one relay in the consensus. Times are seconds, fractions 0 to 1; what is not known is nothing.
struct RelayCost {
    std::string name;
    std::optional<std::uint64_t> mtbf{};
    std::optional<std::uint64_t> mtbf_after{};
    std::optional<double> wfu{};
    std::optional<double> wfu_after{};
    std::optional<std::uint64_t> time_known{};
    std::vector<std::string> flags;
    std::vector<std::string> at_risk;
    std::string why;
};

/// The property Plan of org.lethe.Update1.Manager.
struct Plan {
    std::string running;
    std::string staged;
    std::vector<PlannedPcr> pcrs;
    std::vector<RelayCost> relays;
    std::uint64_t downtime = 0;  ///< seconds
    std::uint64_t advised = 0;   ///< seconds since the epoch; 0 for now
    std::string advice;
};

/// The properties of org.lethe.Update1.Manager but for Plan, which the service works for.
struct Updates {
    RunningRelease running;
    std::optional<StagedRelease> staged;
    std::vector<std::string> admitted;
    std::string policy_state;  ///< or "unknown": lethe-updated did not answer
    std::string reason;
    std::string error_name{};  ///< when it did not answer
    std::string last_failure;
    std::uint64_t reboot_at = 0;  ///< seconds since the epoch; 0 when none is planned
};

/// A release as it is handed over, each file open for reading.
struct OfferedRelease {
    Fd image;
    std::optional<Fd> records;
    std::map<std::string, Fd> beside;  ///< by the name that it is to have
    std::vector<std::string> drop;
    bool allow_downgrade = false;
};

/// Called for each step of long work. @param percent  of the whole, 0 to 100.
using OnProgress = std::function<void(const std::string& step, unsigned percent)>;

// Calls of org.lethe.Update1 on the system bus. A service that is away is exit_person; what it refuses is exit_refused, and then nothing
// has changed.

Outcome<Updates> read_updates();
/// The same for a look at the whole machine: it does not wait for a service that is busy with an update.
Outcome<Updates> glance_at_updates();
/// Nothing when nothing is staged.
Outcome<std::optional<Plan>> read_plan();
/// @return the version that is staged. Borrows the release.
Outcome<std::string> stage_release(const OfferedRelease& release, const OnProgress& on_progress);
Outcome<std::string> stage_configuration(const std::map<std::string, Fd>& files, const std::vector<std::string>& drop,
                                         const OnProgress& on_progress);
/// What staging it would change and cost.
Outcome<Plan> preview_release(const OfferedRelease& release, const OnProgress& on_progress);
/// @param at_once  although its time has not come. @return the version that is staged now; empty when nothing was done.
Outcome<std::string> retry_update(bool at_once, const OnProgress& on_progress);
Outcome<void> abort_update(const OnProgress& on_progress);
Outcome<void> commit_update(const OnProgress& on_progress);
/// @param when  as the command line has it; nothing for now.
/// @return      when the reboot is, in seconds since the epoch; 0 for never.
Outcome<std::uint64_t> plan_reboot(const std::optional<std::string>& when, bool urgent);

}  // namespace lethe::ctl
