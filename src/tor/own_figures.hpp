#pragma once

#include "base/result.hpp"
#include "tor/consensus_cost.hpp"

namespace lethe {

/// What a relay's tor answers to GETINFO, the values alone, lines ended with or without CR. Borrows.
struct OwnAnswers {
    std::optional<std::string_view> entry{};  ///< ns/id/FINGERPRINT; empty when tor says that it has none, nothing when it was not asked
    std::string_view uptime{};                ///< uptime; empty when it is not known
    std::string_view valid_after{};           ///< consensus/valid-after; empty without a consensus
};

/// A consensus that became valid longer ago than this says nothing of the flags that a relay holds now; tor goes by it no longer than that.
inline constexpr std::chrono::hours consensus_age_limit{24};

/// What a relay knows of itself: flags and bandwidth as the newest consensus has them, its run since tor started. With a consensus that it
/// is not in it holds no flag; without a consensus, with an old one or without an entry asked for, its flags are not known. A vote's
/// figures are none of its own.
/// @param fingerprint  of the relay, in hexadecimal digits of either case.
/// @error corrupt      an answer that is none of tor's, or an entry of another relay.
/// Source: tor 0.4.9, feature/nodelist/fmt_routerstatus.c, feature/control/control_getinfo.c.
Result<RelayStanding> own_standing(std::string name, std::string_view fingerprint, const OwnAnswers& answers, std::chrono::sys_seconds now);

/// Whether more than half of the authorities run tor 0.4.9.15 or newer, by the versions in a consensus of either flavour. One without a
/// version counts as older. Nothing when there is no authority in it. Whatever is no line of a consensus is skipped.
std::optional<bool> authorities_let_hsdir_outlive_restarts(std::string_view consensus);

}  // namespace lethe
