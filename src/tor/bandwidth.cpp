#include "tor/bandwidth.hpp"

#include <algorithm>

namespace lethe {

namespace {

constexpr std::size_t days_kept_by_tor = 5;
constexpr std::chrono::hours clock_tolerance{1};

std::uint64_t highest_rate(const BandwidthHistory& history, std::chrono::sys_seconds now) {
    constexpr std::chrono::days day{1};
    if (history.interval != day || tor_discards(history, now)) return 0;
    std::uint64_t highest = 0;
    const std::size_t last = history.values.size() - 1;
    // An interval counts when the next one begins.
    for (std::size_t i = 0; i < last && history.starts() + day * static_cast<std::int64_t>(i + 1) < now; ++i) {
        const bool is_overwritten =
            i + days_kept_by_tor < last && history.starts() + day * static_cast<std::int64_t>(i + 1 + days_kept_by_tor) < now;
        const auto average = history.values[i] / static_cast<std::uint64_t>(std::chrono::seconds(day).count());
        if (!is_overwritten) highest = std::max({highest, history.maxima[i], average});
    }
    return highest;
}

}  // namespace

Result<void> check_history(const BandwidthHistory& history, std::chrono::sys_seconds last_written) {
    if (history.interval <= std::chrono::seconds(0) || history.interval > history_interval_limit)
        return fail(ErrorKind::corrupt, "intervals of {} s, not 1 to {}", history.interval.count(),
                    std::chrono::seconds(history_interval_limit).count());
    if (history.values.empty() || history.values.size() > history_limit_count || history.maxima.size() != history.values.size())
        return fail(ErrorKind::corrupt, "{} values and {} maxima, not as many of both, 1 to {}", history.values.size(),
                    history.maxima.size(), history_limit_count);
    if (history.ends > last_written + history.interval + clock_tolerance)
        return fail(ErrorKind::corrupt, "it ends more than one interval after the file was written");
    const std::uint64_t value_limit = rate_limit_octets * static_cast<std::uint64_t>(history.interval.count());
    if (std::ranges::max(history.maxima) > rate_limit_octets || std::ranges::max(history.values) > value_limit)
        return fail(ErrorKind::corrupt, "more than {} octets a second, of which tor makes no descriptor", rate_limit_octets);
    return {};
}

bool tor_discards(const BandwidthHistory& history, std::chrono::sys_seconds now) {
    return history.ends < now - history_kept_by_tor || history.starts() > now;
}

std::uint64_t observed_bandwidth(const BandwidthHistory& read, const BandwidthHistory& write, std::chrono::sys_seconds now) {
    return std::min(highest_rate(read, now), highest_rate(write, now));
}

}  // namespace lethe
