#include "relay/clock.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;

struct FakeClock final : Clock {
    std::chrono::sys_seconds time{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};
    bool set = false;
    std::function<void(FakeClock&)> each_second = [](FakeClock&) {};
    std::chrono::seconds waited{0};

    std::chrono::sys_seconds now() override { return time; }
    bool synchronised() override { return set; }
    void wait(std::chrono::seconds step) override {
        waited += step;
        time += step;
        each_second(*this);
    }
};

struct ClockOfATor : testing::Test {
    FakeClock clock;
    std::vector<std::string> told;
    Result<ClockVerdict> wait(const ClockRules& rules) {
        return wait_for_clock(clock, rules, [this](const std::string& what) { told.push_back(what); });
    }
};

TEST_F(ClockOfATor, ThatIsSetIsNotWaitedFor) {
    clock.set = true;
    EXPECT_TRUE(wait({.timeout = 10s, .not_before = clock.time}));
    EXPECT_EQ(clock.waited, 0s);
    EXPECT_TRUE(told.empty());
}

TEST_F(ClockOfATor, IsWaitedForUntilATimeServerSetsIt) {
    clock.each_second = [](FakeClock& fake) { fake.set = fake.waited == 3s; };
    EXPECT_TRUE(wait({.timeout = 10s}));
    EXPECT_EQ(clock.waited, 3s);
    EXPECT_EQ(told.size(), 3u);
}

TEST_F(ClockOfATor, ThatNobodySetsEndsWithTheReason) {
    const auto refused = wait({.timeout = 5s});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_NE(refused.error().message.find("no time server"), std::string::npos) << refused.error().message;
    EXPECT_EQ(clock.waited, 5s);
}

TEST_F(ClockOfATor, ThatIsBehindTheStateIsWaitedForEvenWhereNoTimeServerIs) {
    const auto written = clock.time;
    clock.time = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};
    const auto refused = wait({.synchronised = false, .timeout = 5s, .not_before = written});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("2000-01-01"), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("2026-11-22"), std::string::npos) << refused.error().message;

    clock.each_second = [&](FakeClock& fake) { fake.time = written; };
    EXPECT_TRUE(wait({.synchronised = false, .timeout = 5s, .not_before = written}));
}

TEST_F(ClockOfATor, ThatATimeServerHasSetShowsAStateToBeFromTheFuture) {
    const auto written = clock.time + 24h * 3650;
    clock.each_second = [](FakeClock& fake) { fake.set = fake.waited == 3s; };
    for (const bool synchronised : {true, false}) {
        clock.set = false;
        clock.waited = 0s;
        EXPECT_EQ(wait({.synchronised = synchronised, .timeout = 10s, .not_before = written}).value(), ClockVerdict::state_is_ahead);
        EXPECT_EQ(clock.waited, 3s);
    }
    clock.set = true;
    clock.each_second = [](FakeClock&) {};
    EXPECT_EQ(wait({.timeout = 600s, .not_before = clock.time + 5min}).value(), ClockVerdict::right) << "so little is waited for";
}

TEST_F(ClockOfATor, IsTakenAsItIsWhereTheOperatorSaysSo) { EXPECT_TRUE(wait({.synchronised = false, .timeout = 0s})); }

TEST(SystemClock, IsSynchronisedWhenTimesyncdSaysSo) {
    const TemporaryFolder folder;
    SystemClock clock;
    clock.mark = folder / "synchronized";
    EXPECT_FALSE(clock.synchronised());
    std::ofstream(clock.mark).flush();
    EXPECT_TRUE(clock.synchronised());
    EXPECT_GT(clock.now(), std::chrono::sys_days{std::chrono::year{2025} / 1 / 1});
}

}  // namespace
}  // namespace lethe
