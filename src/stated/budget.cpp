#include "stated/budget.hpp"

#include <algorithm>

#include "base/file.hpp"

namespace lethe {
namespace {

constexpr std::size_t file_limit_octets = 64 << 10;

}  // namespace

// A clock that was set back leaves times in the future, which count until they are over.
std::vector<Budget::Snapshot> Budget::spent(std::chrono::sys_seconds now) const {
    std::vector<Snapshot> snapshots;
    const auto octets = read_file(file_, file_limit_octets);
    if (!octets) return snapshots;
    OctetReader reader(*octets);
    while (const auto time = reader.u64()) {
        const auto payer = reader.sized16();
        if (!payer) break;
        const std::chrono::sys_seconds moment{std::chrono::seconds(*time)};
        if (moment > now - std::chrono::days(1) && moment < now + std::chrono::days(1))
            snapshots.push_back({moment, std::string(as_text(*payer))});
    }
    return snapshots;
}

unsigned Budget::left(std::chrono::sys_seconds now) const {
    const auto count = spent(now).size();
    return count >= per_day_ ? 0 : per_day_ - static_cast<unsigned>(count);
}

std::optional<std::string> Budget::payer(SnapshotCause cause, std::chrono::sys_seconds now, const std::set<std::string>& changed,
                                         std::size_t relays) const {
    const unsigned reserve = per_day_ / 4;
    const bool convenient = cause == SnapshotCause::change || cause == SnapshotCause::timer;
    if (left(now) <= (convenient ? reserve : 0)) return std::nullopt;
    if (!convenient) return "";
    const std::size_t share = std::max<std::size_t>(1, (per_day_ - reserve) / std::max<std::size_t>(1, relays));
    const auto snapshots = spent(now);
    const auto paid = [&](const std::string& relay) {
        return static_cast<std::size_t>(std::ranges::count(snapshots, relay, &Snapshot::payer));
    };
    const auto least = std::ranges::min_element(changed, {}, paid);
    if (least == changed.end() || paid(*least) >= share) return std::nullopt;
    return *least;
}

Result<void> Budget::spend(std::chrono::sys_seconds now, const std::string& payer) {
    auto snapshots = spent(now);
    snapshots.push_back({now, payer});
    OctetWriter writer;
    for (const auto& [time, who] : snapshots)
        writer.u64(static_cast<std::uint64_t>(time.time_since_epoch().count())).sized16(as_octets(who));
    return replace_file(file_, writer.octets(), 0600);
}

}  // namespace lethe
