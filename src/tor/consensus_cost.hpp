#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tor/consensus_figures.hpp"
#include "tor/consensus_history.hpp"

namespace lethe {

/// What is known of a relay when its reboot is planned. What is not known is taken so that the reboot costs more:
/// - flags: the relay holds all of them;
/// - run: it has begun now;
/// - history: the relay was out of reach as often before its run as an authority can count (every 3840 s), and no run before was of any
///   length; its fractional uptime and the time it is known are just what Guard wants, so that each counted outage costs it;
/// - thresholds: an authority wants the most that it ever does;
/// - hsdir_outlives_restarts: HSDir goes with the restart.
struct RelayStanding {
    std::string name;
    std::optional<std::vector<std::string>> flags{};  ///< in the newest consensus
    std::optional<std::chrono::seconds> run{};        ///< since its tor started, or was out of reach later than that
    std::optional<AuthorityHistory> history{};        ///< of one authority; from its vote: history_of()
    FlagThresholds thresholds{};                      ///< of the same authority
    /// That most authorities run tor 0.4.9.15 or newer, for which the 96 hours that HSDir takes begin at a counted outage. For older ones
    /// they begin at each restart, too.
    std::optional<bool> hsdir_outlives_restarts{};
    std::optional<std::uint64_t> octets_per_second{};  ///< in the newest consensus; for the reasons alone
    bool keeps_bandwidth = true;                       ///< its bandwidth history is restored at the boot
    bool operator==(const RelayStanding&) const = default;
};

/// The relay after so much more of its current run. @param more  not negative.
RelayStanding later(RelayStanding standing, std::chrono::seconds more);

/// Nothing where the history is not known.
struct ConsensusFigures {
    std::optional<WeightedTime> mean_time_between_failures{};
    std::optional<double> fractional_uptime{};
    std::optional<WeightedTime> time_known{};
};

struct FlagRisk {
    std::string flag;
    std::string why;  ///< one clause

    bool operator==(const FlagRisk&) const = default;
};

/// What an outage costs a relay. Flags that it does not hold are not looked at.
struct ConsensusCost {
    Counting counting;
    ConsensusFigures before;
    ConsensusFigures after;         ///< if the outage is counted when it may be
    std::vector<FlagRisk> at_risk;  ///< in the order Stable, Guard, HSDir, Fast
};

/// The cost right after the outage, which is the highest: while MTBF is under 9.75 d a run raises it faster than the discount of earlier
/// runs lowers it, so that Stable, which wants 5 d at the most, is lost at once or not at all; fractional uptime rises with each run.
///
/// Stable goes with MTBF; Fast with the bandwidth history; Guard with Stable, with the bandwidth history, with fractional uptime or with
/// the time known; HSDir with Fast, with a counted outage or with the restart. Source: tor 0.4.9, feature/dirauth/voteflags.c.
ConsensusCost cost_of(const RelayStanding& standing, const Outage& outage);

/// One line: what is at risk and why; or why nothing is.
std::string in_words(const ConsensusCost& cost);

/// So long an update may wait for flags.
inline constexpr std::chrono::days advised_wait_limit{14};

struct RebootAdvice {
    std::chrono::sys_seconds at;  ///< 1970-01-01 00:00:00: now
    std::string why;              ///< one sentence
};

/// When a reboot puts the fewest flags at risk: the first such moment among now and each half day of the next fourteen days, in which the
/// relays are taken to be reached all the time.
/// @param standings  the relays of the machine, as they are now.
RebootAdvice advise(std::span<const RelayStanding> standings, const Outage& outage, std::chrono::sys_seconds now);

}  // namespace lethe
