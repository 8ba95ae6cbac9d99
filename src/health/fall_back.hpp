#pragma once

#include <string>

#include "base/result.hpp"

namespace lethe {

/// What is done about a release that is on trial and not healthy.
class Fallback {
public:
    virtual ~Fallback() = default;

    /// @error as of on_trial()
    virtual Result<bool> on_trial() = 0;
    /// Keeps the reason for the release that comes next, which tries this one again when it lacked `network_alone`.
    virtual Result<void> note(const std::string& reason, bool network_alone) = 0;
    /// Stops what runs, as at any reboot, and reboots.
    virtual Result<void> reboot() = 0;
};

/// Ends a boot that is not healthy: when its release is on trial, notes the reason and reboots, so that boot counting goes on, and comes to
/// the release before it once the tries are used up. Else nothing happens. A boot that was counted, and of which it cannot be told whether
/// its release was kept since, is taken for one on trial.
///
/// @return the error, with what was done about it.
Error end_unhealthy_boot(Fallback& fallback, const Error& reason, bool network_alone);

}  // namespace lethe
