#include "tor_state_oracle.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr std::chrono::sys_seconds some_day = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1) + 12h;

std::uint64_t observed(const BandwidthHistory& history, std::chrono::sys_seconds now) { return observed_bandwidth(history, history, now); }

TEST(ObservedBandwidth, IsTheHighestRateOfReadingOrOfWritingWhicheverIsLower) {
    const auto read = history_at(some_day, {1024, 9216, 4096}), write = history_at(some_day, {8192, 2048, 4096});
    EXPECT_EQ(observed_bandwidth(read, write, some_day), 8192u);
    EXPECT_EQ(observed_bandwidth(write, read, some_day), 8192u);
    EXPECT_EQ(observed_bandwidth(read, read, some_day), 9216u);
}

TEST(ObservedBandwidth, LeavesOutTheDayThatRunsAndWhatIsOlderThanFive) {
    EXPECT_EQ(observed(history_at(some_day, {1024, 4096}), some_day), 1024u);
    EXPECT_EQ(observed(history_at(some_day, {4096}), some_day), 0u);
    EXPECT_EQ(observed(history_at(some_day, {9216, 1024, 1024, 1024, 2048, 1024, 4096}), some_day), 2048u);
    EXPECT_EQ(observed(history_at(some_day, {9216, 1024, 1024, 2048, 1024, 4096}), some_day), 9216u);
}

TEST(ObservedBandwidth, CountsWhatBeganBeforeTheClock) {
    const auto history = history_at(some_day, {1024, 2048, 4096, 9216});  // 2.5 days before and after the middle of the last one
    EXPECT_EQ(observed(history, some_day), 4096u);
    EXPECT_EQ(observed(history, some_day - days(1)), 2048u);
    EXPECT_EQ(observed(history, some_day - days(2)), 1024u);
    EXPECT_EQ(observed(history, some_day - days(3)), 0u);
    EXPECT_EQ(observed(history, some_day + days(5)), 4096u);
    EXPECT_EQ(observed(history, some_day + days(6)), 0u);
}

TEST(ObservedBandwidth, IsAtLeastTheAverageAndKnownForDaysOnly) {
    EXPECT_EQ(observed(history_at(some_day, {1024, 0}, {86400 * 5000ull, 0}), some_day), 5000u);
    EXPECT_EQ(observed(history_at(some_day, {6144, 0}, {86400 * 5000ull, 0}), some_day), 6144u);
    auto hours = history_at(some_day, {1024, 0});
    hours.interval = 1h;
    EXPECT_EQ(observed(hours, some_day), 0u);
}

TEST(ObservedBandwidth, IsZeroWithoutBothHistories) {
    const auto history = history_at(some_day, {1024, 0});
    StateFile state{.last_written = some_day, .tor_version = {}, .bandwidth = {{Traffic::read, history}}};
    EXPECT_EQ(observed_bandwidth(state, some_day), 0u);
    state.bandwidth.emplace(Traffic::directory_write, history);
    EXPECT_EQ(observed_bandwidth(state, some_day), 0u);
    state.bandwidth.emplace(Traffic::write, history);
    EXPECT_EQ(observed_bandwidth(state, some_day), 1024u);
}

TEST(ObservedBandwidth, IsWhatTorPutsIntoItsDescriptor) {
    const auto now = wall_clock();
    const auto past = [&](std::chrono::seconds ago, std::vector<std::uint64_t> maxima) { return history_at(now - ago, std::move(maxima)); };
    for (const auto& history :
         {past(0s, {5242880}), past(0s, {1048576, 5242880}), past(0s, {5242880, 1048576, 0}), past(1h, {1000001, 0}),
          past(days(1), {4096, 5242880, 0}), past(days(5), {4096, 2048}), past(days(6), {4096, 2048}), past(-days(1), {4096, 5242880, 0}),
          past(-days(4), {4096, 5242880, 0}), history_at(now, {1048576, 5242880, 0}, {86400, 86400 * 9000000ull, 0}),
          past(0s, {9216000, 5120000, 1024, 1024, 1024, 1024, 0}), past(0s, {9216000, 1024, 1024, 1024, 1024, 0}),
          past(0s, {rate_limit_octets, 0})}) {
        const std::string text = state_with(now + days(30), history, history);
        const auto state = parse_state(text);
        ASSERT_TRUE(is_success(state));
        EXPECT_EQ(ask_tor_about_state(text).observed, observed_bandwidth(*state, wall_clock())) << text;
    }
}

TEST(TorDiscards, WhatEndedFiveDaysAgoOrIsStillToCome) {
    const auto history = history_at(some_day, {1024, 2048});
    EXPECT_FALSE(tor_discards(history, some_day));
    EXPECT_FALSE(tor_discards(history, history.ends + days(5)));
    EXPECT_TRUE(tor_discards(history, history.ends + days(5) + 1s));
    EXPECT_FALSE(tor_discards(history, history.starts()));
    EXPECT_TRUE(tor_discards(history, history.starts() - 1s));
}

TEST(TorDiscards, AsTorDoes) {
    const auto now = wall_clock();
    for (const auto ends : {now - days(5) - 1h, now - days(5) + 1h, now + 47h, now + 49h}) {
        auto history = history_at(now, {5242880, 2097152});
        history.ends = ends;
        const StateVerdict verdict = ask_tor_about_state(state_with(now, history, history));
        EXPECT_TRUE(verdict.kept);
        EXPECT_EQ(!verdict.written.contains("BWHistoryReadMaxima 5242880"), tor_discards(history, now)) << state_time(ends);
    }
}

// tor keeps such a rate in its state file and goes on without a descriptor.
TEST(ARate, ThatTorMakesNoDescriptorOfIsCorrupt) {
    const auto now = wall_clock();
    const auto state_of = [&](std::uint64_t maximum, std::uint64_t value) {
        const auto history = history_at(now, {maximum, 0}, {value, 0});
        return state_with(now, history, history);
    };
    EXPECT_TRUE(is_success(parse_state(state_of(rate_limit_octets, 86400 * rate_limit_octets))));
    EXPECT_EQ(ask_tor_about_state(state_of(rate_limit_octets, 0)).observed, rate_limit_octets);
    for (const std::string& text : {state_of(rate_limit_octets + 1, 0), state_of(0, 86400 * (rate_limit_octets + 1))}) {
        EXPECT_TRUE(is_error(parse_state(text), ErrorKind::corrupt, "more than 2147483647 octets a second"));
        const StateVerdict verdict = ask_tor_about_state(text);
        EXPECT_TRUE(verdict.kept);
        EXPECT_EQ(verdict.observed, std::nullopt);
    }
}

}  // namespace
}  // namespace lethe
