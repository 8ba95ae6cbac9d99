// Enrolment and Secure Boot: what the policy holds, and which boots are not locked at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ranges>

#include "enroll/enroll.hpp"
#include "fake_pcrlock.hpp"
#include "pcrlock/open_vault.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct SecureBootEnrolment : testing::Test {
    TemporaryFolder folder;
    Store store = *Store::open(folder.path());
    FakeTpm tpm;
    FakePcrlock pcrlock{tpm};
    std::vector<std::string> lines;
    EnrolmentRequest request{.discard = false, .extra_pcrs = {}, .relays = {}};
    BootedImage booted{.secure_boot = true, .uki = "/efi/EFI/Linux/lethe_1.efi", .loader = "/efi/EFI/BOOT/BOOTX64.EFI"};

    SecureBootEnrolment() {
        for (unsigned pcr : {2, 4, 7, 11}) tpm.extend(pcr, digest_of(static_cast<std::uint8_t>(pcr)));
    }
    Result<Enrolment> run() {
        return enroll({tpm, store, false, pcrlock, [this]() -> Result<BootedImage> { return booted; },
                       [this](std::string_view line) { lines.emplace_back(line); }},
                      request);
    }
    void without_secure_boot(bool setup_mode = false) {
        booted.secure_boot = false;
        booted.setup_mode = setup_mode;
        std::erase_if(pcrlock.log_.events, [](const LogEvent& event) { return event.pcr == 7; });
    }
    bool is_open() { return open_vault_of(store, tpm).has_value(); }
    std::vector<unsigned> pcrs() {
        const auto in_force = confirmed_policy_file(tpm, read_policy_files(store).value(), first_handles.policy).value();
        return in_force.policy | std::views::transform(&AdmittedPcr::pcr) | std::ranges::to<std::vector>();
    }
    void expect_untouched() {
        EXPECT_FALSE(tpm.nv_index(policy_index_handle));
        EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
        EXPECT_THAT(pcrlock.components_, IsEmpty());
        EXPECT_THAT(lines, IsEmpty());
    }
};

TEST_F(SecureBootEnrolment, HoldsPcr7) {
    ASSERT_TRUE(run());
    EXPECT_THAT(pcrs(), ElementsAre(4, 7, 11, 12, 13));
    EXPECT_THAT(lines, Contains(HasSubstr("locking PCRs 4 7 11 12 13 ")));
    tpm.extend(7, digest_of(1));
    EXPECT_FALSE(is_open());
}

TEST_F(SecureBootEnrolment, IsRefusedWithoutItBeforeAnythingIsTouched) {
    for (const bool setup_mode : {false, true}) {
        without_secure_boot(setup_mode);
        const auto enrolment = run();
        ASSERT_FALSE(enrolment);
        EXPECT_EQ(enrolment.error().kind, ErrorKind::wrong_state);
        EXPECT_THAT(enrolment.error().message, AllOf(HasSubstr(setup_mode ? "in setup mode" : "is off"), HasSubstr("loader/keys/auto")));
        expect_untouched();
    }
}

TEST_F(SecureBootEnrolment, IsRefusedWithoutItThoughTheOperatorDiscardsAnotherVault) {
    tpm.authorize(policy_index_handle, {{4, {digest_of(4)}}});
    const auto index = tpm.nv_index(policy_index_handle)->name;
    without_secure_boot();
    request.discard = true;
    EXPECT_FALSE(run());
    EXPECT_EQ(tpm.nv_index(policy_index_handle)->name, index);
}

TEST_F(SecureBootEnrolment, OfALaboratoryHoldsPcr2InItsPlace) {
    without_secure_boot();
    request.insecure_boot = true;
    ASSERT_TRUE(run());
    EXPECT_THAT(pcrs(), ElementsAre(2, 4, 11, 12, 13));
    EXPECT_FALSE(pcrlock.components_.contains("240-secureboot-policy/generated"));
    tpm.extend(7, digest_of(1));
    EXPECT_TRUE(is_open());
    tpm.extend(2, digest_of(1));  // a driver in /EFI/systemd/drivers
    EXPECT_FALSE(is_open());
}

TEST_F(SecureBootEnrolment, OfALaboratoryInSetupModeIsMade) {
    without_secure_boot(true);
    request.insecure_boot = true;
    EXPECT_TRUE(run());
}

TEST_F(SecureBootEnrolment, OfALaboratoryFailsWherePcr2IsNotPredicted) {
    without_secure_boot();
    request.insecure_boot = true;
    pcrlock.left_out = {2};
    EXPECT_THAT(run().error().message, HasSubstr("PCR 2 "));
    EXPECT_FALSE(tpm.nv_index(policy_index_handle));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    pcrlock.left_out.clear();
    EXPECT_TRUE(run());
}

TEST_F(SecureBootEnrolment, LeavesItToTheGateWhetherTheFirmwaresCodeIsAccountedFor) {
    pcrlock.refuse = [](std::string_view verb) -> Result<void> {
        if (verb != "lock_firmware") return {};
        return fail(ErrorKind::io, "the log has no separator");
    };
    request.extra_pcrs = {0};
    EXPECT_THAT(run().error().message, HasSubstr("the log has no separator"));
    request.extra_pcrs = {2};
    EXPECT_TRUE(run());
}

TEST_F(SecureBootEnrolment, WithTheFlagIsTheSameWhileSecureBootIsOn) {
    request.insecure_boot = true;
    ASSERT_TRUE(run());
    EXPECT_THAT(pcrs(), ElementsAre(4, 7, 11, 12, 13));
}

// A driver that runs before the kernel can answer for the firmware's variables, but not take back what was measured before it started.
TEST_F(SecureBootEnrolment, IsRefusedWhereTheFirmwareSaysOnAndDidNotMeasureThat) {
    std::erase_if(pcrlock.log_.events, [](const LogEvent& event) { return event.pcr == 7; });
    const auto enrolment = run();
    ASSERT_FALSE(enrolment);
    EXPECT_EQ(enrolment.error().kind, ErrorKind::policy_mismatch);
    EXPECT_THAT(enrolment.error().message, HasSubstr("did not measure"));
    EXPECT_FALSE(tpm.nv_index(policy_index_handle));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST_F(SecureBootEnrolment, OfAMachineThatIsEnrolledIsLeftAsItIsWithSecureBootOff) {
    ASSERT_TRUE(run());
    without_secure_boot();
    EXPECT_EQ(*run(), Enrolment::there_already);
}

}  // namespace
}  // namespace lethe
