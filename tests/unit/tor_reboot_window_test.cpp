#include "tor/reboot_window.hpp"

#include <sodium.h>

#include <algorithm>
#include <map>
#include <set>

#include "tor_keys.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr sys_seconds midnight = sys_days(std::chrono::year(2026) / 11 / 22);
constexpr DailyWindow at_night{2h, 5h};
constexpr DailyWindow around_midnight{23h, 1h};
const std::string family_id(43, 'A');

// Fingerprints as random as real ones are.
RelayNames relay(unsigned number, std::vector<std::string> family_ids = {family_id}) {
    std::array<std::uint8_t, 20> hash{};
    const std::string text = std::format("relay {}", number);
    crypto_generichash(hash.data(), hash.size(), as_octets(text).data(), text.size(), nullptr, 0);
    return {to_hex(hash), std::move(family_ids)};
}

sys_seconds moment_of(const RelayNames& names, unsigned stagger_days = 1, sys_seconds now = midnight, DailyWindow window = at_night) {
    return quiet_moment(window, stagger_days, std::span(&names, 1), now);
}

TEST(AQuietMoment, WithoutStaggerIsTheBeginOfTheWindowOrNowWithinIt) {
    const std::array relays{relay(1)};
    EXPECT_EQ(quiet_moment(at_night, 0, relays, midnight), midnight + 2h);
    EXPECT_EQ(quiet_moment(at_night, 0, relays, midnight + 3h), midnight + 3h);
    EXPECT_EQ(quiet_moment(at_night, 0, relays, midnight + 5h - 1s), midnight + 5h - 1s);
    EXPECT_EQ(quiet_moment(at_night, 0, relays, midnight + 5h), midnight + days(1) + 2h);
    EXPECT_EQ(quiet_moment(at_night, 3, {}, midnight), midnight + 2h);
}

TEST(AQuietMoment, MayLieInAWindowThatPassesMidnight) {
    EXPECT_EQ(quiet_moment(around_midnight, 0, {}, midnight + 30min), midnight + 30min);
    EXPECT_EQ(quiet_moment(around_midnight, 0, {}, midnight + 1h), midnight + 23h);
    for (unsigned i = 0; i < 50; ++i) {
        const sys_seconds moment = moment_of(relay(i), 1, midnight + 12h, around_midnight);
        EXPECT_GE(moment, midnight + 23h);
        EXPECT_LT(moment, midnight + 25h);
        EXPECT_EQ(moment_of(relay(i), 1, moment, around_midnight), moment);
    }
}

TEST(AQuietMoment, OfARelayIsTheSameInEachRound) {
    for (const unsigned stagger : {1u, 3u, 7u}) {
        const sys_seconds moment = moment_of(relay(1), stagger);
        EXPECT_GE(moment, midnight + 2h);
        EXPECT_LT(moment, midnight + days(stagger - 1) + 5h);
        EXPECT_EQ(moment_of(relay(1), stagger, moment), moment);
        EXPECT_EQ(moment_of(relay(1), stagger, moment + 1s), moment + days(stagger));
        EXPECT_EQ(moment_of(relay(1), stagger, moment + days(stagger)), moment + days(stagger));
    }
}

// How many of fifty relays are away in each of so many equal parts of the windows.
std::map<std::int64_t, int> spread(unsigned stagger_days, unsigned parts) {
    std::map<std::int64_t, int> counts;
    for (unsigned i = 0; i < 50; ++i) {
        const sys_seconds moment = moment_of(relay(i), stagger_days);
        const auto day = (moment - midnight) / days(1);
        ++counts[day * parts + (moment - midnight - days(day) - 2h) * parts / 3h];
    }
    return counts;
}

TEST(AFamilyOfFiftyRelays, SpreadsOverTheWindow) {
    const auto half_hours = spread(1, 6);
    EXPECT_EQ(half_hours.size(), 6u);
    for (const auto& [part, count] : half_hours) EXPECT_TRUE(count >= 3 && count <= 15) << part << ": " << count;
    std::set<sys_seconds> moments;
    for (unsigned i = 0; i < 50; ++i) moments.insert(moment_of(relay(i)));
    EXPECT_GE(moments.size(), 49u);
}

TEST(AFamilyOfFiftyRelays, SpreadsOverSeveralNights) {
    const auto nights = spread(5, 1);
    EXPECT_EQ(nights.size(), 5u);
    for (const auto& [night, count] : nights) EXPECT_TRUE(count >= 5 && count <= 17) << night << ": " << count;
}

TEST(AQuietMoment, WithoutAFamilyIsOfTheFingerprintAlone) {
    EXPECT_NE(moment_of(relay(1, {})), moment_of(relay(2, {})));
    EXPECT_EQ(moment_of(relay(1, {})), moment_of(relay(1, {})));
    EXPECT_NE(moment_of(relay(1, {})), moment_of(relay(1)));
}

TEST(AQuietMoment, DoesNotDependOnTheOrderOfFamiliesOrTheCaseOfLetters) {
    const std::string other_id(43, 'B');
    EXPECT_EQ(moment_of(relay(1, {family_id, other_id})), moment_of(relay(1, {other_id, family_id})));
    EXPECT_NE(moment_of(relay(1, {family_id, other_id})), moment_of(relay(1)));
    RelayNames upper = relay(1);
    for (char& c : upper.fingerprint) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    ASSERT_NE(upper.fingerprint, relay(1).fingerprint);
    EXPECT_EQ(moment_of(upper), moment_of(relay(1)));
}

TEST(AQuietMoment, OfAMachineWithSeveralRelaysIsThatOfTheFirstFingerprint) {
    std::vector<RelayNames> relays{relay(1), relay(2), relay(3)};
    std::ranges::sort(relays, {}, &RelayNames::fingerprint);
    const sys_seconds moment = moment_of(relays.front());
    do EXPECT_EQ(quiet_moment(at_night, 1, relays, midnight), moment);
    while (std::ranges::next_permutation(relays, {}, &RelayNames::fingerprint).found);
}

// Machines that run other releases agree on it. The values are from another implementation of BLAKE2b.
TEST(AQuietMoment, IsWhatItAlwaysWas) {
    EXPECT_EQ(moment_of({"0123456789ABCDEF0123456789ABCDEF01234567", {}}), midnight + 4h + 24min + 33s);
    EXPECT_EQ(moment_of({"0123456789ABCDEF0123456789ABCDEF01234567", {family_id}}, 7), midnight + days(4) + 3h + 15min + 14s);
}

TEST(ARebootTime, IsAWordOrATime) {
    const sys_seconds now = midnight + 15h;
    EXPECT_EQ(*parse_reboot_time("now", now), RebootTime(RebootNow{}));
    EXPECT_EQ(*parse_reboot_time("quiet", now), RebootTime(RebootQuiet{}));
    EXPECT_EQ(*parse_reboot_time("never", now), RebootTime(RebootNever{}));
    EXPECT_EQ(*parse_reboot_time("2026-11-23 03:00", now), RebootTime(midnight + days(1) + 3h));
    EXPECT_EQ(*parse_reboot_time("2026-11-22 15:00", now), RebootTime(now));
}

TEST(ARebootTime, ThatIsPastOrNoneIsRefused) {
    const sys_seconds now = midnight + 15h;
    EXPECT_TRUE(is_error(parse_reboot_time("2026-11-22 14:59", now), ErrorKind::invalid_argument,
                         "2026-11-22 14:59 is past: it is 2026-11-22 15:00:00 (UTC)"));
    for (const char* text : {"", "Now", "now ", "soon", "03:00", "2026-11-23", "2026-11-23 3:00", "2026-11-23 03:00:00", "2026-11-23T03:00",
                             "2026-11-31 03:00", "2026-11-23 24:00", "2026-11-23 03:60", "9999-01-01 00:00", "2026-11-23 03:00 UTC"})
        EXPECT_TRUE(is_error(parse_reboot_time(text, now), ErrorKind::invalid_argument, "now, quiet, never, or a time")) << text;
}

}  // namespace
}  // namespace lethe
