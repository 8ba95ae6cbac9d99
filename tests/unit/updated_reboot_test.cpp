// When the machine reboots, and what is done before.
#include "updated/reboot.hpp"

#include <gmock/gmock.h>

namespace lethe {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Time = std::chrono::sys_seconds;

struct RecordedSystem final : RebootSystem {
    std::vector<std::string> steps;
    std::string fails;  ///< the step that does
    std::vector<RebootingRelay> known;
    Result<void> relays_known{};
    Time time = std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + 12h;
    std::optional<Time> planned;
    std::chrono::seconds away = 120s;

    Time now() override { return time; }
    Result<std::vector<RebootingRelay>> relays() override {
        TRY(relays_known);
        return known;
    }
    std::chrono::seconds downtime() override { return away; }
    Result<void> take_snapshot() override { return step("snapshot"); }
    Result<void> stop_relays() override { return step("stop"); }
    Result<void> reboot() override { return step("reboot"); }
    Result<void> schedule(Time at) override {
        TRY(step("schedule"));
        planned = at;
        return {};
    }
    Result<void> unschedule() override {
        TRY(step("unschedule"));
        planned.reset();
        return {};
    }
    Result<std::optional<Time>> scheduled() override {
        TRY(step("scheduled"));
        return planned;
    }
    Result<void> step(const std::string& what) {
        steps.push_back(what);
        if (what == fails) return fail(ErrorKind::io, "{} failed", what);
        return {};
    }
};

class RebootsOf : public testing::Test {
protected:
    static RebootingRelay relay(const std::string& name, std::vector<std::string> flags) {
        RelayStanding standing{.name = name, .flags = std::move(flags), .run = 1h};
        return {standing, std::string(40, 'A'), {}, {}};
    }
    void expect_refused(const std::string& when, ErrorKind kind, const std::string& words) {
        const auto refused = reboots.reboot(when, false);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, kind);
        EXPECT_THAT(refused.error().message, HasSubstr(words));
        EXPECT_THAT(system.steps, IsEmpty());
    }

    RecordedSystem system;
    Configuration configuration;
    Result<void> choosing{};
    Reboots reboots{system, configuration, [this]() -> Result<void> {
                        TRY(system.step("choose"));
                        return choosing;
                    }};
};

TEST_F(RebootsOf, AMachineNowKeepWhatTorWritesLast) {
    const auto at = reboots.reboot("now", false);
    ASSERT_TRUE(at) << at.error().message;
    EXPECT_EQ(*at, system.time);
    EXPECT_THAT(system.steps, ElementsAre("snapshot", "choose", "unschedule", "stop", "snapshot", "reboot"));
}

TEST_F(RebootsOf, AMachineEndWhereAStepFails) {
    const std::vector<std::string> order{"snapshot", "choose", "unschedule", "stop"};
    for (std::size_t failing = 0; failing < order.size(); ++failing) {
        system.steps.clear();
        system.fails = order[failing];
        const auto at = reboots.reboot("now", false);
        ASSERT_FALSE(at);
        EXPECT_EQ(at.error().message, order[failing] + " failed");
        EXPECT_EQ(system.steps, std::vector(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(failing) + 1));
    }
}

TEST_F(RebootsOf, AMachineLaterArePlannedAndTakenBack) {
    const auto at = reboots.reboot("2026-11-23 03:00", false);
    ASSERT_TRUE(at) << at.error().message;
    EXPECT_EQ(*at, system.time + 15h);
    EXPECT_EQ(reboots.scheduled(), system.time + 15h);
    EXPECT_THAT(system.steps, ElementsAre("schedule", "scheduled"));
    EXPECT_EQ(reboots.reboot("never", false), Time{});
    EXPECT_EQ(reboots.scheduled(), std::nullopt);
    system.fails = "scheduled";
    EXPECT_EQ(reboots.scheduled(), std::nullopt);
}

TEST_F(RebootsOf, AMachineInItsQuietWindowAreAtAMomentOfItsOwn) {
    system.known = {relay("a", {"Running"})};
    const auto at = reboots.reboot("quiet", false);
    ASSERT_TRUE(at) << at.error().message;
    const RelayNames names{std::string(40, 'A'), {}};
    EXPECT_EQ(*at, quiet_moment({configuration.quiet_begin, configuration.quiet_end}, 1, std::span(&names, 1), system.time));
    EXPECT_EQ(system.planned, *at);
    const auto in_day = *at - std::chrono::floor<std::chrono::days>(*at);
    EXPECT_TRUE(in_day >= configuration.quiet_begin && in_day < configuration.quiet_end);
}

TEST_F(RebootsOf, AMachineAtATimeThatIsNoneAreRefused) {
    expect_refused("soon", ErrorKind::invalid_argument, "");
    expect_refused("2026-11-21 03:00", ErrorKind::invalid_argument, "");
}

// Of a relay that has run for 30 days, and of which no more is known, an hour away costs Stable; after 37 days it does not.
TEST_F(RebootsOf, ARelayThatWouldLoseAFlagAreRefusedUnlessUrgent) {
    system.away = 1h;
    system.known = {relay("a", {"Running", "Stable"})};
    system.known[0].standing.run = std::chrono::days(30);
    const auto cost = reboots.cost();
    ASSERT_TRUE(cost) << cost.error().message;
    ASSERT_EQ(cost->relays.size(), 1U);
    EXPECT_EQ(cost->relays[0].flags, (std::vector<std::string>{"Running", "Stable"}));
    ASSERT_EQ(cost->relays[0].cost.at_risk.size(), 1U);
    EXPECT_EQ(cost->relays[0].cost.at_risk[0].flag, "Stable");
    EXPECT_EQ(cost->downtime, 1h);
    expect_refused("now", ErrorKind::wrong_state, "2026-11-29 12:00 UTC is a better time");
    EXPECT_TRUE(reboots.reboot("2026-11-30 03:00", false));
    EXPECT_TRUE(reboots.reboot("now", true));
    EXPECT_EQ(system.steps.back(), "reboot");
}

TEST_F(RebootsOf, AMachineSoonAreNowUnlessItCostsAFlag) {
    ASSERT_TRUE(reboots.reboot_soon());
    EXPECT_EQ(system.steps.back(), "reboot");
    system.away = 1h;
    system.known = {relay("a", {"Running", "Stable"})};
    system.known[0].standing.run = std::chrono::days(30);
    system.steps.clear();
    const auto soon = reboots.reboot_soon();
    ASSERT_FALSE(soon) << "a flag is at risk in the quiet window as well";
    EXPECT_EQ(soon.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(system.steps, IsEmpty());
}

TEST_F(RebootsOf, ARelayWhoseFlagNoWaitingSavesAreDone) {
    system.away = 1h;
    system.known = {relay("a", {"Running", "HSDir"})};
    EXPECT_FALSE(reboots.cost()->relays[0].cost.at_risk.empty());
    EXPECT_TRUE(reboots.reboot("now", false));
}

TEST_F(RebootsOf, ARelayWhoseSigningKeyEndsAreRefusedUnlessUrgent) {
    system.known = {relay("a", {"Running"})};
    system.known[0].key_ends = system.time + 24h + 60s;
    expect_refused("now", ErrorKind::wrong_state, "the signing key of relay a ends 2026-11-23 12:01 UTC");
    system.known[0].key_ends = system.time + 24h + 120s;
    EXPECT_TRUE(reboots.reboot("now", false));
    system.steps.clear();
    expect_refused("2026-11-23 03:00", ErrorKind::wrong_state, "signing key");
    EXPECT_TRUE(reboots.reboot("2026-11-23 03:00", true));
    EXPECT_THAT(system.steps, ElementsAre("schedule"));
}

TEST_F(RebootsOf, AMachineWhoseRelaysAreNotKnownAreRefusedUnlessUrgent) {
    system.relays_known = fail(ErrorKind::io, "lethe-identityd does not answer");
    expect_refused("now", ErrorKind::io, "does not answer");
    EXPECT_FALSE(reboots.cost());
    EXPECT_TRUE(reboots.reboot("now", true));
    EXPECT_TRUE(reboots.reboot("never", false));
}

}  // namespace
}  // namespace lethe
