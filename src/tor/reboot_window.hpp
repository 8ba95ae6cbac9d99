#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace lethe {

/// Some time of each day, in UTC. Its end does not belong to it.
struct DailyWindow {
    std::chrono::minutes begin;  ///< since midnight, less than a day
    std::chrono::minutes end;    ///< since midnight, less than a day and not `begin`; before it when the window passes midnight
};

/// What a relay's moment in the window is derived from.
struct RelayNames {
    std::string fingerprint;                ///< 40 hexadecimal digits, in either case
    std::vector<std::string> family_ids{};  ///< those of family_ids_of_torrc(), in any order
};

/// The next quiet moment of a machine: the machines of a family, which do not talk to each other, must not be away together, so that each
/// has a moment of its own in the window, and with more than one day a day of its own. It is the same in each round of so many days, and
/// equally likely to be any second of a round's windows: two relays of a family of 50 may well have moments within a minute.
///
/// @param stagger_days  over how many windows a family spreads; 0: the machine takes the first second of the window, or now within it.
/// @param relays        of the machine: the moment is that of the fingerprint that is the first in order. Without one, as with 0.
/// @return              a second of a window; not before `now`.
std::chrono::sys_seconds quiet_moment(const DailyWindow& window, unsigned stagger_days, std::span<const RelayNames> relays,
                                      std::chrono::sys_seconds now);

struct RebootNow {
    bool operator==(const RebootNow&) const = default;
};
/// In the next quiet moment.
struct RebootQuiet {
    bool operator==(const RebootQuiet&) const = default;
};
/// A planned reboot is taken back.
struct RebootNever {
    bool operator==(const RebootNever&) const = default;
};
using RebootTime = std::variant<RebootNow, RebootQuiet, RebootNever, std::chrono::sys_seconds>;

/// When the operator wants the reboot: `now`, `quiet`, `never`, or a time in UTC such as `2026-11-23 03:00`.
/// @error invalid_argument  nothing of these, or a time before `now`.
Result<RebootTime> parse_reboot_time(std::string_view text, std::chrono::sys_seconds now);

}  // namespace lethe
