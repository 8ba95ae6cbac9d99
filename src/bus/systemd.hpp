#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

// What Lethe asks of the service manager, over the system bus.
// @error wrong_state  it is not there. @error io  it refuses, or does not answer in time.
namespace lethe::systemd {

/// What is said of a service: ActiveState and StatusText.
struct UnitState {
    std::string active;  ///< "active", "failed"; "inactive" when it is not loaded
    std::string text;    ///< what it said of itself last
};
Result<UnitState> unit_state(const std::string& unit);

/// Whether a unit of any type is reached, or runs.
Result<bool> is_active(const std::string& unit);

/// The units of a pattern such as "tor@*.service" that run, start or stop.
Result<std::vector<std::string>> active_units(const std::string& pattern);

/// Stops units side by side and waits until all have ended. @error io  one is still there after the limit; names it.
Result<void> stop_units(const std::vector<std::string>& units, std::chrono::seconds limit);

// Both return at once.
Result<void> reload_unit(const std::string& unit);
Result<void> restart_unit(const std::string& unit);

/// When the main process of a service that runs was started, as the wall clock has it now.
Result<std::optional<std::chrono::sys_seconds>> started_at(const std::string& unit);

/// How long the boot took: from the firmware to the end of the services that it starts; none while it goes on.
Result<std::optional<std::chrono::seconds>> boot_duration();

/// Ends the system and starts it anew, as `systemctl reboot`; returns at once.
Result<void> reboot();

/// A timer NAME.timer that starts NAME.service once, in the place of one that there is.
Result<void> start_timer(const std::string& name, const std::string& description, std::chrono::sys_seconds at);
/// Nothing to do when there is none.
Result<void> stop_timer(const std::string& name);
/// None when there is no such timer.
Result<std::optional<std::chrono::sys_seconds>> next_elapse(const std::string& name);

}  // namespace lethe::systemd
