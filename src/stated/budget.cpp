#include "stated/budget.hpp"

#include <algorithm>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t file_limit_octets = 64 << 10;

}  // namespace

// A clock that was set back leaves times in the future, which count until they are over.
std::vector<std::chrono::sys_seconds> Budget::spent(std::chrono::sys_seconds now) const {
    std::vector<std::chrono::sys_seconds> times;
    const auto octets = read_file(file_, file_limit_octets);
    if (!octets) return times;
    OctetReader reader(*octets);
    while (const auto time = reader.u64()) {
        const std::chrono::sys_seconds moment{std::chrono::seconds(*time)};
        if (moment > now - std::chrono::days(1) && moment < now + std::chrono::days(1)) times.push_back(moment);
    }
    return times;
}

unsigned Budget::left(std::chrono::sys_seconds now) const {
    const auto count = spent(now).size();
    return count >= per_day_ ? 0 : per_day_ - static_cast<unsigned>(count);
}

bool Budget::allows(SnapshotCause cause, std::chrono::sys_seconds now) const {
    const bool convenient = cause == SnapshotCause::change || cause == SnapshotCause::timer;
    return left(now) > (convenient ? per_day_ / 4 : 0);
}

Result<void> Budget::spend(std::chrono::sys_seconds now) {
    auto times = spent(now);
    times.push_back(now);
    OctetWriter writer;
    for (const auto time : times) writer.u64(static_cast<std::uint64_t>(time.time_since_epoch().count()));
    return replace_file(file_, writer.octets(), 0600);
}

}  // namespace lethe
