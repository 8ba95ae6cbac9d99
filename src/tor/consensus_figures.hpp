#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "tor/consensus_history.hpp"

namespace lethe {

/// What one authority's vote says about a relay's past.
struct VoteStats {
    double fractional_uptime;                         ///< 0 to 1
    std::chrono::seconds time_known;                  ///< up to a hundred years
    std::chrono::seconds mean_time_between_failures;  ///< up to a hundred years
    bool operator==(const VoteStats&) const = default;
};

/// Parses `stats wfu=0.998765 tk=1040813 mtbf=259200`, a line of a vote without its end. The three may be in any order; what else there is
/// is skipped.
/// @error corrupt  another line; one of the three missing, twice, or no number in its range.
/// Source: tor 0.4.9, feature/nodelist/fmt_routerstatus.c.
Result<VoteStats> parse_vote_stats(std::string_view line);

/// The history that an authority has which votes so for a relay that is up. It follows from the vote but for the current run, as W equals
/// U: W+R = wfu * tk, N+1 = (W+R) / mtbf, T+R = tk.
/// @param run  the current run; without it, it is taken to begin now: a shorter one is forgotten sooner, and never makes a later outage
///             cheaper. A run longer than the uptime that the vote knows of is cut to that.
AuthorityHistory history_of(const VoteStats& stats, std::optional<std::chrono::seconds> run);

/// What an authority wants of a relay for its flags. As they stand here they are the most that it ever wants, which is what is taken when
/// its thresholds are not known.
struct FlagThresholds {
    std::chrono::seconds stable_mtbf = std::chrono::days(5);
    double guard_wfu = 0.98;
    std::chrono::seconds guard_time_known = std::chrono::days(8);
    std::uint64_t guard_octets_per_second = 2'097'000;
    std::uint64_t fast_octets_per_second = 102'000;
    bool operator==(const FlagThresholds&) const = default;
};

/// Parses `flag-thresholds stable-mtbf=2488616 guard-wfu=98.000% ...`, a line of a vote without its end. Where the line wants more than the
/// most, or says nothing, the most stands; so it does for Stable while the authority has not measured long enough (`enough-mtbf=0`), and
/// goes by uptime for some hours. What else there is in the line is skipped.
/// @error corrupt  another line; something twice, or no number in its range.
/// Source: tor 0.4.9, feature/dirauth/voteflags.c (dirserv_get_flag_thresholds_line, dirserv_compute_performance_thresholds).
Result<FlagThresholds> parse_flag_thresholds(std::string_view line);

}  // namespace lethe
