#include "pcrlock/insecurity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_pcrlock.hpp"
#include "pcrlock/running_boot.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<unsigned> pcrs_of(bool secure_boot) { return required_pcrs(secure_boot, {}); }

TEST(RequiredPcrs, HoldWhatIsSignedOrWhatRunsWithoutASignature) {
    EXPECT_THAT(required_pcrs(true, {}), ElementsAre(4, 7, 11, 12, 13));
    EXPECT_THAT(required_pcrs(false, {}), ElementsAre(2, 4, 11, 12, 13));
    EXPECT_THAT(required_pcrs(true, std::array{2u, 0u}), ElementsAre(0, 2, 4, 7, 11, 12, 13));
}

TEST(MeasuredSecureBoot, IsTheEventOfTheFirmwareThatSaysOne) {
    FakeTpm tpm;
    const EventLog on = FakePcrlock(tpm).log_;
    EXPECT_TRUE(measured_secure_boot(on));
    const auto changed = [&](auto&& change) {
        EventLog log = on;
        for (LogEvent& event : log.events)
            if (event.pcr == 7) change(event);
        return measured_secure_boot(log);
    };
    EXPECT_FALSE(changed([](LogEvent& event) { event.digest = digest_of(1); }));
    EXPECT_FALSE(changed([](LogEvent& event) { event.pcr = 4; }));
    EXPECT_FALSE(changed([](LogEvent& event) { event.firmware = false; })) << "what userspace extends proves nothing";
    EXPECT_FALSE(measured_secure_boot({}));
    EventLog later = on;  // a driver can extend the same digest after what the firmware measured
    later.events.insert(later.events.begin(),
                        {.pcr = 7, .digest = digest_of(1), .firmware = true, .type = "", .component = "", .description = ""});
    EXPECT_FALSE(measured_secure_boot(later));
}

TEST(Insecurity, IsNoneWithSecureBootAndPcr7) {
    EXPECT_EQ(insecurity(SecureBoot::on, pcrs_of(true)), Insecurity{});
    EXPECT_EQ(insecurity(SecureBoot::on, std::nullopt), Insecurity{}) << "a vault that is shut says why itself";
}

TEST(Insecurity, OfAMachineThatIsNotEnrolledSaysHowToTurnSecureBootOn) {
    const auto off = insecurity(SecureBoot::off, std::nullopt), setup = insecurity(SecureBoot::setup, std::nullopt);
    EXPECT_THAT(off.what, AllOf(HasSubstr("Secure Boot is off"), HasSubstr("driver")));
    EXPECT_THAT(off.advice, AllOf(HasSubstr("setup mode"), HasSubstr("loader/keys/auto")));
    EXPECT_THAT(setup.what, HasSubstr("setup mode"));
    EXPECT_THAT(setup.advice, HasSubstr("boot this disk again"));
}

TEST(Insecurity, OfALaboratoryNamesWhatNoPcrShows) {
    const auto laboratory = insecurity(SecureBoot::off, pcrs_of(false));
    EXPECT_THAT(laboratory.what, AllOf(HasSubstr("--insecure-boot"), HasSubstr("EFI variables")));
    EXPECT_THAT(laboratory.advice, HasSubstr("laboratories"));
}

TEST(Insecurity, OfAMachineThatAnEarlierReleaseEnrolledSaysHowToMendThePolicy) {
    const std::vector<unsigned> earlier{4, 11, 12, 13};
    const auto off = insecurity(SecureBoot::off, earlier), on = insecurity(SecureBoot::on, earlier);
    EXPECT_THAT(off.what, AllOf(HasSubstr("neither PCR 7 nor PCR 2"), HasSubstr("read the keys")));
    EXPECT_THAT(off.advice, AllOf(HasSubstr("setup mode"), HasSubstr("puts PCR 7 into the policy")));
    EXPECT_THAT(on.what, HasSubstr("does not hold PCR 7"));
    EXPECT_THAT(on.advice, HasSubstr("lethectl update commit"));
    EXPECT_NE(insecurity(SecureBoot::off, std::vector<unsigned>{}).what, "") << "nothing is known of the policy";
}

}  // namespace
}  // namespace lethe
