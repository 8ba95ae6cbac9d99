#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/result.hpp"

namespace lethe {

/// One of tor's bandwidth histories: what was counted in intervals of one length, of which the last may not be over.
struct BandwidthHistory {
    std::chrono::sys_seconds ends;        ///< of the last interval; up to one interval ahead of the clock
    std::chrono::seconds interval;        ///< a day, as tor writes it
    std::vector<std::uint64_t> values{};  ///< octets in each interval, oldest first
    std::vector<std::uint64_t> maxima{};  ///< octets a second in the busiest ten seconds of each interval
    bool operator==(const BandwidthHistory&) const = default;

    std::chrono::sys_seconds starts() const { return ends - interval * static_cast<std::int64_t>(values.size()); }
};

/// tor goes through a history second by second when it starts: longer intervals would keep it from starting for minutes.
inline constexpr std::chrono::days history_interval_limit{1};
/// tor writes six: five days and the one that runs.
inline constexpr std::size_t history_limit_count = 512;
/// A history that ended before that is discarded.
inline constexpr std::chrono::days history_kept_by_tor{5};
/// With a higher rate to announce, tor makes no descriptor: the number does not fit its `int`.
inline constexpr std::uint64_t rate_limit_octets = 0x7fffffff;

/// Whether tor can have written the history at that time: its interval and its numbers within the limits above, as many maxima as values,
/// at least one, and an end that is at most one interval and an hour (of a clock that was set back) after `last_written`.
/// @error corrupt
Result<void> check_history(const BandwidthHistory& history, std::chrono::sys_seconds last_written);

/// Whether a tor that starts at `now` leaves the history out: it ended more than five days ago, or starts after `now`.
/// Source: tor 0.4.9.15, feature/stats/bwhist.c (bwhist_load_bwhist_state_section); its behaviour.
bool tor_discards(const BandwidthHistory& history, std::chrono::sys_seconds now);

/// The observed bandwidth, in octets a second, that a relay started at `now` announces from its histories before it carries any traffic:
/// the highest rate of reading or of writing, whichever is lower. The last interval that began before `now` does not count yet, nor do more
/// than the five before it; a maximum that is below the average of its interval counts as the average. 0 when a history is discarded or has
/// other intervals than a day, of which tor makes days in a way that nothing depends on.
/// Source: tor 0.4.9.15, feature/stats/bwhist.c (bwhist_bandwidth_assess); its behaviour.
std::uint64_t observed_bandwidth(const BandwidthHistory& read, const BandwidthHistory& write, std::chrono::sys_seconds now);

}  // namespace lethe
