#include "tor/reboot_window.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/octets.hpp"
#include "tor/state_line.hpp"

namespace lethe {

namespace {

using std::chrono::days;
using std::chrono::seconds;

seconds length(const DailyWindow& window) {
    const auto length = window.end - window.begin;
    return window.end > window.begin ? length : length + days(1);
}

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c; });
    return result;
}

// Of a whole range of numbers each is equally likely. That other releases of Lethe get the same matters: they may be in the same family.
std::uint64_t number_of(const RelayNames& relay) {
    std::vector<std::string> ids = relay.family_ids;
    std::ranges::sort(ids);
    OctetWriter text;
    text.sized16(as_octets("lethe-reboot-1")).sized16(as_octets(upper(relay.fingerprint)));
    for (const auto& id : ids) text.sized16(as_octets(id));
    std::array<std::uint8_t, crypto_generichash_BYTES> hash{};
    crypto_generichash(hash.data(), hash.size(), text.octets().data(), text.octets().size(), nullptr, 0);
    return *OctetReader(hash).u64();
}

// After the windows' begin, of all the windows of a round laid end to end.
struct Moment {
    unsigned day;
    seconds offset;
};

Moment moment_of(const RelayNames& relay, seconds window, unsigned stagger_days) {
    const auto window_s = static_cast<std::uint64_t>(window.count());
    const std::uint64_t second = number_of(relay) % (window_s * stagger_days);
    return {static_cast<unsigned>(second / window_s), seconds(second % window_s)};
}

}  // namespace

std::chrono::sys_seconds quiet_moment(const DailyWindow& window, unsigned stagger_days, std::span<const RelayNames> relays,
                                      std::chrono::sys_seconds now) {
    const auto first = std::ranges::min_element(relays, {}, [](const RelayNames& relay) { return upper(relay.fingerprint); });
    const bool is_staggered = stagger_days > 0 && first != relays.end();
    const Moment own = is_staggered ? moment_of(*first, length(window), stagger_days) : Moment{};
    // The window of yesterday may not be over.
    for (auto day = std::chrono::floor<days>(now) - days(1);; day += days(1)) {
        const std::chrono::sys_seconds begin = day + window.begin;
        if (!is_staggered && now < begin + length(window)) return std::max(now, begin);
        const auto number = static_cast<std::uint64_t>(day.time_since_epoch().count());
        if (is_staggered && number % stagger_days == own.day && begin + own.offset >= now) return begin + own.offset;
    }
}

Result<RebootTime> parse_reboot_time(std::string_view text, std::chrono::sys_seconds now) {
    if (text == "now") return RebootNow{};
    if (text == "quiet") return RebootQuiet{};
    if (text == "never") return RebootNever{};
    const auto time = parse_state_time(std::string(text) + ":00");
    if (!time)
        return fail(ErrorKind::invalid_argument, "the time of the reboot is now, quiet, never, or a time in UTC such as 2026-11-23 03:00");
    if (*time < now) return fail(ErrorKind::invalid_argument, "{} is past: it is {} (UTC)", text, state_time(now));
    return *time;
}

}  // namespace lethe
