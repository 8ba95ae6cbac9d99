#include "health/fall_back.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct FakeFallback final : Fallback {
    Result<bool> is_on_trial = true;
    Result<void> noting{}, rebooting{};
    std::string noted;
    unsigned reboots = 0;

    Result<bool> on_trial() override { return is_on_trial; }
    Result<void> note(const std::string& reason) override {
        noted = reason;
        return noting;
    }
    Result<void> reboot() override {
        ++reboots;
        return rebooting;
    }
};

struct UnhealthyBoot : testing::Test {
    FakeFallback fallback;
    std::string end() { return end_unhealthy_boot(fallback, {ErrorKind::wrong_state, "relay a: no circuit"}).message; }
};

TEST_F(UnhealthyBoot, OfAReleaseOnTrialIsNotedAndRebooted) {
    EXPECT_THAT(end(), AllOf(HasSubstr("relay a: no circuit"), HasSubstr("rebooting")));
    EXPECT_EQ(fallback.noted, "relay a: no circuit");
    EXPECT_EQ(fallback.reboots, 1u);
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

struct LastUpdate : testing::Test {
    TemporaryFolder folder;
    std::filesystem::path file = folder / "last-update";
    std::string text() { return std::string(as_text(read_file(file, 4096).value())); }
};

TEST_F(LastUpdate, HasTheVersionAndTheReasonAndReplacesTheOneBefore) {
    ASSERT_TRUE(write_last_update(file, "1.2", std::string(100, 'x')));
    ASSERT_TRUE(write_last_update(file, "1.3", "relay a: no circuit"));
    EXPECT_EQ(text(), "1.3\nrelay a: no circuit\n");
}

TEST_F(LastUpdate, HasTwoLinesAndOneKibibyteAtMost) {
    ASSERT_TRUE(write_last_update(file, "1\n2", "a\nb" + std::string(2000, 'x')));
    EXPECT_EQ(text().size(), 1024u);
    EXPECT_EQ(text().substr(0, 8), "1 2\na bx");
    EXPECT_EQ(std::ranges::count(text(), '\n'), 2);
}

TEST_F(LastUpdate, ThatCannotBeWrittenIsIo) {
    EXPECT_EQ(write_last_update(folder / "none/last-update", "1", "x").error().kind, ErrorKind::not_found);
    std::filesystem::create_directory(file);
    EXPECT_EQ(write_last_update(file, "1", "x").error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace lethe
