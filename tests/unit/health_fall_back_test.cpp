#include "health/fall_back.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct FakeFallback final : Fallback {
    Result<bool> is_on_trial = true;
    Result<void> noting{}, rebooting{};
    std::string noted;
    bool noted_network = false;
    unsigned reboots = 0;

    Result<bool> on_trial() override { return is_on_trial; }
    Result<void> note(const std::string& reason, bool network_alone) override {
        noted = reason;
        noted_network = network_alone;
        return noting;
    }
    Result<void> reboot() override {
        ++reboots;
        return rebooting;
    }
};

struct UnhealthyBoot : testing::Test {
    FakeFallback fallback;
    std::string end(bool network_alone = false) {
        return end_unhealthy_boot(fallback, {ErrorKind::wrong_state, "relay a: no circuit"}, network_alone).message;
    }
};

TEST_F(UnhealthyBoot, OfAReleaseOnTrialIsNotedAndRebooted) {
    EXPECT_THAT(end(), AllOf(HasSubstr("relay a: no circuit"), HasSubstr("rebooting")));
    EXPECT_EQ(fallback.noted, "relay a: no circuit");
    EXPECT_EQ(fallback.reboots, 1u);
}

TEST_F(UnhealthyBoot, ThatLacksTheNetworkAloneSaysWhoMayBeBehindIt) {
    EXPECT_THAT(end(true), AllOf(HasSubstr("somebody may be blocking it"), HasSubstr("tried again"), HasSubstr("rebooting")));
    EXPECT_TRUE(fallback.noted_network);
    EXPECT_THAT(end(false), Not(HasSubstr("blocking")));
    EXPECT_FALSE(fallback.noted_network);
}

TEST_F(UnhealthyBoot, OfAReleaseThatIsKeptIsReportedAndNothingElseHappens) {
    fallback.is_on_trial = false;
    EXPECT_THAT(end(), AllOf(HasSubstr("relay a: no circuit"), Not(HasSubstr("reboot"))));
    EXPECT_EQ(fallback.noted, "");
    EXPECT_EQ(fallback.reboots, 0u);
}

TEST_F(UnhealthyBoot, ThatWasCountedAndHasLostItsEspIsRebooted) {
    fallback.is_on_trial = fail(ErrorKind::wrong_state, "lethe_2.efi is on no ESP");
    EXPECT_THAT(end(), AllOf(HasSubstr("on no ESP"), HasSubstr("rebooting")));
    EXPECT_EQ(fallback.reboots, 1u);
}

TEST_F(UnhealthyBoot, IsRebootedThoughItCannotBeNoted) {
    fallback.noting = fail(ErrorKind::io, "no space left");
    EXPECT_THAT(end(), AllOf(HasSubstr("no space left"), HasSubstr("rebooting")));
    EXPECT_EQ(fallback.reboots, 1u);
}

TEST_F(UnhealthyBoot, ThatCannotBeRebootedSaysSo) {
    fallback.rebooting = fail(ErrorKind::io, "systemd does not answer");
    EXPECT_THAT(end(), AllOf(HasSubstr("systemd does not answer"), HasSubstr("does not reboot"), Not(HasSubstr("rebooting"))));
}

}  // namespace
}  // namespace lethe
