#pragma once

#include <chrono>

namespace lethe {

/// A time that an authority weights, in seconds: not a whole number of them.
using WeightedTime = std::chrono::duration<double>;

/// What one directory authority remembers of a relay. A run is a time in which its tests reached the relay. All but the current run is
/// multiplied by 0.95 every 12 hours.
/// Source: tor 0.4.9, feature/stats/rephist.c.
struct AuthorityHistory {
    WeightedTime run_length{};  ///< W: of the runs that are over
    double runs = 0;            ///< N: how many are over
    WeightedTime uptime{};      ///< U: as W; an authority adds to both and discounts both together
    WeightedTime known{};       ///< T: U, and the outages
    WeightedTime run{};         ///< R: the current run
    bool operator==(const AuthorityHistory&) const = default;
};

/// (W+R)/(N+1): what Stable goes by.
WeightedTime mean_time_between_failures(const AuthorityHistory& history);
/// The weighted fractional uptime, (U+R)/(T+R): what Guard goes by; 0 when nothing is known.
double fractional_uptime(const AuthorityHistory& history);
/// T+R.
WeightedTime time_known(const AuthorityHistory& history);

/// The history after more of the current run. When in the 12 hours an authority discounts is not known: it is done once for each 12 hours
/// that are full.
/// @param more  not negative.
AuthorityHistory after_run(AuthorityHistory history, WeightedTime more);

/// An authority tests each relay so often.
inline constexpr std::chrono::seconds test_interval{1280};
/// What a change of address or port counts as, at the usual intervals of the consensus, when no outage is counted besides.
inline constexpr std::chrono::seconds address_change_penalty = std::chrono::hours(2);

/// A relay that is not reached for a while.
struct Outage {
    std::chrono::seconds length;  ///< for which a test would fail; not negative
    bool address_changes = false;
};

/// Whether an authority counts an outage, which it does when no test has succeeded for 2700 s.
enum class Counting {
    never,   ///< under 1280 s, of which a test at most falls into it
    maybe,   ///< 1280 s and more: one test or two
    always,  ///< 2560 s and more: two tests at least; or the address changes
};
/// Source: tor 0.4.9, feature/dirauth/voteflags.c (dirserv_set_router_is_running), feature/dirauth/reachability.h.
Counting counting(const Outage& outage);

/// How long the outage is for an authority that counts it: from 1280 s after the last test that succeeded to the next that does. Of the two
/// lengths that this may have, the longer; 0 when it is never counted.
WeightedTime counted_length(const Outage& outage);

/// The history after an outage that is counted with this length: W+=R, N+=1, U+=R, T+=R+length, R=0, and a discount after the run was added
/// and before the outage is (one for each 12 hours of it, and one more): which is when it costs the most.
AuthorityHistory after_counted(AuthorityHistory history, WeightedTime length);

/// The history after an outage, counted if it may be. When it never is, the run goes on, and the history is as it was.
AuthorityHistory after_outage(AuthorityHistory history, const Outage& outage);

}  // namespace lethe
