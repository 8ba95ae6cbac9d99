#include "tor/consensus_cost.hpp"

#include "tor_keys.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::seconds;

double in_days(WeightedTime time) { return time / days(1); }

// Right after an outage, when there has been one every so often for a long time.
AuthorityHistory with_outages_every(WeightedTime period, WeightedTime outage) {
    AuthorityHistory history;
    for (int i = 0; i < 400; ++i) history = after_counted(after_run(history, period - outage), outage);
    return history;
}

double mtbf_days(const AuthorityHistory& history) { return in_days(mean_time_between_failures(history)); }

TEST(MeanTimeBetweenFailures, IsHalvedByTheFirstCountedOutage) {
    const AuthorityHistory first = after_run({}, days(20));
    EXPECT_DOUBLE_EQ(mtbf_days(first), 20);
    const AuthorityHistory second = after_counted(first, 1h);
    EXPECT_NEAR(mtbf_days(second), 10, 0.3);
    EXPECT_LT(mtbf_days(second), 10);  // the discount that falls into the outage
    EXPECT_NEAR(mtbf_days(after_counted(after_run({}, days(10)), 1h)), 5, 0.2);
}

TEST(MeanTimeBetweenFailures, IsFourAndAHalfDaysWithWeeklyOutagesAndEnoughWithOneInTwoWeeks) {
    EXPECT_NEAR(mtbf_days(with_outages_every(days(7), 2h)), 4.5, 0.05);
    EXPECT_NEAR(mtbf_days(with_outages_every(days(14), 2h)), 7.7, 0.05);
}

TEST(FractionalUptime, PassesWithTwoHoursAWeekAndFailsWithHalfAnHourADay) {
    EXPECT_NEAR(fractional_uptime(with_outages_every(days(7), 2h)), 0.9875, 0.00005);
    EXPECT_NEAR(fractional_uptime(with_outages_every(days(1), 30min)), 0.978, 0.0002);
    EXPECT_DOUBLE_EQ(fractional_uptime({}), 0);
    EXPECT_DOUBLE_EQ(fractional_uptime(after_run({}, days(1))), 1);
}

TEST(History, IsDiscountedEachTwelveHoursButForTheCurrentRun) {
    const AuthorityHistory start{.run_length = days(2), .runs = 2, .uptime = days(2), .known = days(3), .run = days(1)};
    const AuthorityHistory half_a_day = after_run(start, 12h);
    EXPECT_EQ(half_a_day, (AuthorityHistory{.run_length = 0.95 * WeightedTime(days(2)),
                                            .runs = 1.9,
                                            .uptime = 0.95 * WeightedTime(days(2)),
                                            .known = 0.95 * WeightedTime(days(3)),
                                            .run = 36h}));
    EXPECT_EQ(after_run(start, 11h).runs, 2);
    EXPECT_NEAR(after_run(start, days(7)).runs, 2 * 0.4877, 0.0001);
    EXPECT_DOUBLE_EQ(in_days(time_known(start)), 4);
}

TEST(AnOutage, IsCountedFromWhenTwoTestsMayFallIntoIt) {
    EXPECT_EQ(counting({0s}), Counting::never);
    EXPECT_EQ(counting({1279s}), Counting::never);
    EXPECT_EQ(counting({1280s}), Counting::maybe);
    EXPECT_EQ(counting({2559s}), Counting::maybe);
    EXPECT_EQ(counting({2560s}), Counting::always);
    EXPECT_EQ(counting({60s, true}), Counting::always);
}

TEST(AnOutage, IsCountedAsTheIntervalsOfTheTestsThatItMayTouch) {
    EXPECT_EQ(counted_length({1279s}), 0s);
    EXPECT_EQ(counted_length({1280s}), 2560s);
    EXPECT_EQ(counted_length({30min}), 2560s);
    EXPECT_EQ(counted_length({2h}), 7680s);
    EXPECT_EQ(counted_length({60s, true}), 2h);
    EXPECT_EQ(counted_length({1300s, true}), 2h);
    EXPECT_EQ(counted_length({3h, true}), counted_length({3h}));
}

TEST(AnOutage, ThatIsNotCountedLeavesTheRunGoingOn) {
    const AuthorityHistory before = after_run({.run_length = days(1), .runs = 1, .uptime = days(1), .known = days(1)}, days(3));
    EXPECT_EQ(after_outage(before, {1279s}), before);
    EXPECT_EQ(after_outage(before, {1280s}).run, 0s);
}

TEST(AnOutage, OfAnAddressThatChangesTakesTwoHoursOffTheRun) {
    const AuthorityHistory after = after_outage({.run = 12h}, {60s, true});
    EXPECT_EQ(after.run_length, 0.95 * WeightedTime(10h));
    EXPECT_EQ(after.known, 0.95 * WeightedTime(10h) + WeightedTime(2h));
    const AuthorityHistory soon = after_outage({.run_length = 1h, .runs = 1, .uptime = 1h, .known = 1h, .run = 30min}, {60s, true});
    EXPECT_EQ(soon.run_length, 0s);
    EXPECT_EQ(soon.known, 0.95 * WeightedTime(1h) + WeightedTime(2h));
}

TEST(VoteStats, AreTheThreeFigures) {
    const auto stats = parse_vote_stats("stats wfu=0.998765 tk=1040813 mtbf=259200");
    ASSERT_TRUE(is_success(stats));
    EXPECT_EQ(*stats, (VoteStats{0.998765, 1040813s, 259200s}));
    EXPECT_EQ(*parse_vote_stats("stats mtbf=0 more=x tk=0 wfu=1"), (VoteStats{1, 0s, 0s}));
}

TEST(VoteStats, ThatAreNoneAreCorrupt) {
    for (const char* line :
         {"", "stats", "stats ", "status wfu=1 tk=1 mtbf=1", "stats wfu=1 tk=1", "stats wfu=1 tk=1 mtbf=1 tk=1", "stats wfu=1 tk=1 mtbf=-1",
          "stats wfu=1 tk=1.5 mtbf=1", "stats wfu=1.1 tk=1 mtbf=1", "stats wfu=nan tk=1 mtbf=1", "stats wfu=-0 tk=1 mtbf=1",
          "stats wfu= tk=1 mtbf=1", "stats wfu=1e-1 tk=1 mtbf=1", "stats wfu=1 tk=99999999999 mtbf=1", "stats wfu=1  tk=1 mtbf=1",
          "stats wfu=1 tk=1 mtbf=1\n", "stats wfu=1 tk=1 mtbf=1 =x"})
        EXPECT_TRUE(is_error(parse_vote_stats(line), ErrorKind::corrupt, "")) << line;
    EXPECT_TRUE(is_error(parse_vote_stats("stats wfu=1 tk=1"), ErrorKind::corrupt, "mtbf= is missing"));
    EXPECT_TRUE(is_error(parse_vote_stats("stats wfu=1 tk=1 mtbf=1 " + std::string(5000, 'x')), ErrorKind::corrupt, "more than 4096"));
}

TEST(VoteStats, GiveTheHistoryBack) {
    const AuthorityHistory history = after_run(with_outages_every(days(7), 2h), days(3));
    const VoteStats stats{fractional_uptime(history), std::chrono::round<seconds>(time_known(history)),
                          std::chrono::round<seconds>(mean_time_between_failures(history))};
    const AuthorityHistory read = history_of(stats, std::chrono::round<seconds>(history.run));
    EXPECT_NEAR(read.runs, history.runs, 0.0001);
    EXPECT_NEAR(read.run_length.count(), history.run_length.count(), 2);
    EXPECT_NEAR(read.known.count(), history.known.count(), 2);
    EXPECT_EQ(read.run, days(3));
}

TEST(VoteStats, WithoutTheRunMakeLaterOutagesNoCheaper) {
    const VoteStats stats{0.99, days(20), days(6)};
    const auto mtbf_then = [&](std::optional<seconds> run) {
        return mean_time_between_failures(after_counted(after_run(history_of(stats, run), days(4)), 1h));
    };
    EXPECT_LT(mtbf_then({}), mtbf_then(days(5)));
    EXPECT_LT(mtbf_then(days(5)), mtbf_then(days(15)));
    EXPECT_EQ(mtbf_then(days(30)), mtbf_then(std::chrono::round<seconds>(0.99 * WeightedTime(days(20)))));
}

TEST(VoteStats, OfARelayThatIsNewOrNeverUpGiveAHistoryToo) {
    EXPECT_EQ(history_of({0, 0s, 0s}, 5h), AuthorityHistory{});
    EXPECT_EQ(history_of({1, 1h, 1h}, {}).runs, 0);
    EXPECT_EQ(history_of({0.5, 100s, 0s}, {}).runs, 49);
    EXPECT_EQ(history_of({0.9, 100s, days(9)}, {}).runs, 0);  // of an authority that no tor is
}

TEST(FlagThresholds, AreTakenUpToTheMostThatAnAuthorityWants) {
    const FlagThresholds most;
    const auto usual = parse_flag_thresholds(
        "flag-thresholds stable-uptime=613624 stable-mtbf=2505783 fast-speed=26000 guard-wfu=98.000% guard-tk=691200 "
        "guard-bw-inc-exits=29000000 guard-bw-exc-exits=29000000 enough-mtbf=1 ignoring-advertised-bws=1");
    ASSERT_TRUE(is_success(usual));
    EXPECT_EQ(*usual, (FlagThresholds{.fast_octets_per_second = 26000}));
    const std::string low =
        "flag-thresholds stable-mtbf=86400 fast-speed=4000 guard-wfu=90.500% guard-tk=3600 guard-bw-inc-exits=30000 "
        "guard-bw-exc-exits=20000";
    EXPECT_EQ(*parse_flag_thresholds(low), (FlagThresholds{days(1), 0.905, 1h, 20000, 4000}));
    EXPECT_EQ(parse_flag_thresholds(low + " enough-mtbf=0")->stable_mtbf, most.stable_mtbf);
    EXPECT_EQ(*parse_flag_thresholds("flag-thresholds a=b"), most);
}

TEST(FlagThresholds, ThatAreNoneAreCorrupt) {
    for (const char* line :
         {"", "flag-thresholds", "flag-threshold a=b", "flag-thresholds stable-mtbf", "flag-thresholds stable-mtbf=x",
          "flag-thresholds guard-wfu=98", "flag-thresholds guard-wfu=%", "flag-thresholds guard-wfu=101%", "flag-thresholds guard-wfu=inf%",
          "flag-thresholds enough-mtbf=2", "flag-thresholds fast-speed=1 fast-speed=1", "flag-thresholds fast-speed=-1"})
        EXPECT_TRUE(is_error(parse_flag_thresholds(line), ErrorKind::corrupt, "")) << line;
}

RelayStanding relay_up_for(seconds run) {
    return {.name = "alice",
            .flags = {{"Fast", "Guard", "HSDir", "Running", "Stable", "V2Dir", "Valid"}},
            .run = run,
            .history = after_run({}, run),
            .hsdir_outlives_restarts = true};
}

std::vector<std::string> at_risk(const RelayStanding& standing, const Outage& outage) {
    std::vector<std::string> flags;
    for (const auto& risk : cost_of(standing, outage).at_risk) flags.push_back(risk.flag);
    return flags;
}

using Flags = std::vector<std::string>;

TEST(TheCost, IsNothingWhileTheOutageIsNotCounted) {
    const ConsensusCost cost = cost_of(relay_up_for(days(1)), {1279s});
    EXPECT_TRUE(cost.at_risk.empty());
    EXPECT_EQ(cost.before.mean_time_between_failures, cost.after.mean_time_between_failures);
    EXPECT_EQ(in_words(cost), "authorities do not count an outage of under 1280 s");
}

TEST(TheCost, IsStableAndGuardWithItUntilTheRelayWasUpForTenDays) {
    EXPECT_EQ(at_risk(relay_up_for(days(9)), {30min}), (Flags{"Stable", "Guard", "HSDir"}));
    EXPECT_EQ(at_risk(relay_up_for(days(10) + 12h), {30min}), Flags{"HSDir"});
    const ConsensusCost cost = cost_of(relay_up_for(days(9)), {30min});
    EXPECT_EQ(in_words(cost),
              "Stable: MTBF goes from 9 d to 4.385 d, and 5 d are wanted; Guard: it goes with Stable; HSDir: it takes 96 h "
              "without a counted outage");
    EXPECT_DOUBLE_EQ(in_days(*cost.before.mean_time_between_failures), 9);
    EXPECT_NEAR(in_days(*cost.after.mean_time_between_failures), 4.38, 0.01);
    EXPECT_EQ(*cost.before.fractional_uptime, 1);
    EXPECT_LT(*cost.after.fractional_uptime, 1);
}

TEST(TheCost, IsGuardAloneWhenTheFractionalUptimeOrTheTimeKnownFalls) {
    RelayStanding standing = relay_up_for(days(0));
    standing.history = history_of({0.9801, days(30), days(15)}, days(15));
    EXPECT_EQ(at_risk(standing, {1h}), (Flags{"Guard", "HSDir"}));
    EXPECT_EQ(cost_of(standing, {1h}).at_risk.front().why, "WFU goes from 0.9801 to 0.9786, and 0.9800 are wanted");
    standing.history = history_of({1, days(8), days(8)}, days(8));
    standing.thresholds.stable_mtbf = days(1);
    EXPECT_EQ(cost_of(standing, {1h}).at_risk.front().why, "the time known goes from 8 d to 7.644 d, and 8 d are wanted");
    standing.history = history_of({0.99, days(30), days(15)}, days(15));
    EXPECT_EQ(at_risk(standing, {1h}), Flags{"HSDir"});
}

TEST(TheCost, IsThatOfTheFlagsThatTheRelayHolds) {
    RelayStanding standing = relay_up_for(days(1));
    standing.flags = {{"Fast", "Stable"}};
    EXPECT_EQ(at_risk(standing, {1h}), Flags{"Stable"});
    standing.flags = Flags{};
    EXPECT_EQ(at_risk(standing, {1h}), Flags{});
    standing.flags.reset();
    EXPECT_EQ(at_risk(standing, {1h}), (Flags{"Stable", "Guard", "HSDir"}));
}

TEST(TheCost, FollowsTheThresholdsOfTheVote) {
    RelayStanding standing = relay_up_for(days(9));
    standing.thresholds.stable_mtbf = days(4);
    EXPECT_EQ(at_risk(standing, {1h}), Flags{"HSDir"});
}

TEST(TheCost, IsHsdirAtEachRestartForOlderAuthorities) {
    RelayStanding standing = relay_up_for(days(30));
    EXPECT_EQ(at_risk(standing, {60s}), Flags{});
    for (const std::optional<bool> outlives : {std::optional<bool>{}, std::optional<bool>{false}}) {
        standing.hsdir_outlives_restarts = outlives;
        EXPECT_EQ(at_risk(standing, {60s}), Flags{"HSDir"});
        EXPECT_TRUE(in_words(cost_of(standing, {60s})).contains("before 0.4.9.15"));
    }
}

TEST(TheCost, OfARelayWithoutItsBandwidthHistoryIsFastAndWhatGoesWithIt) {
    RelayStanding standing = relay_up_for(days(30));
    standing.keeps_bandwidth = false;
    standing.octets_per_second = 5'120'000;
    EXPECT_EQ(at_risk(standing, {60s}), (Flags{"Guard", "HSDir", "Fast"}));
    EXPECT_TRUE(cost_of(standing, {60s}).at_risk.front().why.ends_with("and 2097 kB/s are wanted"));
    EXPECT_EQ(cost_of(standing, {60s}).at_risk.back().why,
              "it starts without its bandwidth history and announces almost nothing in the place of 5120 kB/s, and 102 kB/s are wanted");
}

TEST(TheCost, OfARelayOfWhichNothingIsKnownIsEveryFlagOfACountedOutage) {
    const ConsensusCost cost = cost_of({.name = "bob"}, {1280s});
    EXPECT_EQ(at_risk({.name = "bob"}, {1280s}), (Flags{"Stable", "Guard", "HSDir"}));
    EXPECT_FALSE(cost.before.mean_time_between_failures);
    EXPECT_FALSE(cost.after.fractional_uptime);
    EXPECT_TRUE(in_words(cost).contains("Stable: how often it was out of reach before is not known"));
    EXPECT_EQ(at_risk({.name = "bob"}, {1279s}), Flags{"HSDir"});
}

TEST(TheCost, OfARelayOfWhichTheRunAloneIsKnownIsNotStableWhenNoHistoryCouldTakeIt) {
    EXPECT_EQ(at_risk({.name = "bob", .run = days(36)}, {1h}), (Flags{"Stable", "Guard", "HSDir"}));
    EXPECT_EQ(at_risk({.name = "bob", .run = days(37)}, {1h}), (Flags{"Guard", "HSDir"}));
    EXPECT_EQ(cost_of({.name = "bob", .run = days(37)}, {1h}).at_risk.front().why, "its fractional uptime is not known");
}

constexpr std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 15h;
constexpr std::chrono::sys_seconds at_once{};

TEST(TheAdvice, IsNowForAnOutageThatIsNotCounted) {
    const RebootAdvice advice = advise(std::array{relay_up_for(days(1))}, {90s}, now);
    EXPECT_EQ(advice.at, at_once);
    EXPECT_EQ(advice.why, "authorities do not count an outage of under 1280 s");
    EXPECT_EQ(advise({}, {2h}, now).at, at_once);
}

TEST(TheAdvice, IsToWaitUntilStableIsSafe) {
    RelayStanding standing = relay_up_for(days(4));
    standing.flags = {{"Fast", "Guard", "Stable"}};
    const RebootAdvice advice = advise(std::array{standing}, {1h}, now);
    EXPECT_EQ(advice.at, now + days(6) + 12h);
    EXPECT_TRUE(advice.why.starts_with("a reboot now puts at risk Stable of alice (MTBF goes from 4 d to 1.949 d")) << advice.why;
    EXPECT_TRUE(advice.why.ends_with("; in 6.5 d no relay loses a flag by it")) << advice.why;
    standing = later(standing, std::chrono::floor<seconds>(advice.at - now));
    EXPECT_EQ(advise(std::array{standing}, {1h}, advice.at).at, at_once);
    EXPECT_EQ(advise(std::array{standing}, {1h}, advice.at).why, "no relay loses a flag by it");
}

TEST(TheAdvice, IsOfTheRelayThatNeedsTheLongest) {
    const std::array both{relay_up_for(days(8)), relay_up_for(days(5))};
    const RebootAdvice advice = advise(both, {1h}, now);
    EXPECT_EQ(advice.at, now + days(5) + 12h);
    EXPECT_TRUE(advice.why.contains("no more than HSDir of alice")) << advice.why;
}

TEST(TheAdvice, IsNowWhenWaitingWouldNotHelp) {
    RelayStanding standing = relay_up_for(days(30));
    const RebootAdvice advice = advise(std::array{standing}, {1h}, now);
    EXPECT_EQ(advice.at, at_once);
    EXPECT_EQ(advice.why, "no later time in the next 14 d costs less than HSDir of alice (it takes 96 h without a counted outage)");
    const RelayStanding other{.name = "bob", .flags = standing.flags, .run = standing.run, .history = standing.history};
    EXPECT_EQ(advise(std::array{standing, other}, {1h}, now).why,
              "no later time in the next 14 d costs less than HSDir of alice and bob (it takes 96 h without a counted outage)");
    // Safe after 37 days and no sooner.
    EXPECT_EQ(advise(std::array{RelayStanding{.name = "bob", .run = days(20)}}, {1h}, now).at, at_once);
    EXPECT_EQ(advise(std::array{RelayStanding{.name = "bob", .run = days(30)}}, {1h}, now).at, now + days(7));
}

}  // namespace
}  // namespace lethe
