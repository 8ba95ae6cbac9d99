#pragma once

#include <chrono>
#include <optional>

namespace lethe {

/// When a relay's state is taken up, and how far the clock can be believed.
struct Moment {
    std::chrono::sys_seconds now;  ///< by the clock
    std::chrono::seconds uptime;   ///< by which no time server's word counts
    bool synchronised;             ///< a time server has set the clock in this boot

    /// Whether by a clock that a time server has set this time is still to come: another clock was wrong when it was noted.
    bool shows_to_be_ahead(std::chrono::sys_seconds time) const;
};

/// Whether as much time passed between two states by the clock as on the machine.
/// @param since  at which uptime the earlier one was taken up; nothing over a boot, of which no more is known than how long this one lasts.
bool goes_on(std::chrono::sys_seconds before, std::chrono::sys_seconds now, std::optional<std::chrono::seconds> since,
             std::chrono::seconds uptime);

}  // namespace lethe
