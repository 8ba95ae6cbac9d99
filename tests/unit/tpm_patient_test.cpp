#include "tpm/patient_tpm.hpp"

#include <gmock/gmock.h>

#include "fake_tpm.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Time that passes only while it is waited for.
struct FakeWaiting final : Waiting {
    std::chrono::milliseconds time{5s};
    std::chrono::milliseconds now() override { return time; }
    void pause(std::chrono::milliseconds step) override { time += step; }
};

struct PatientTpmTest : testing::Test {
    FakeWaiting waiting;
    std::chrono::milliseconds there_at{5s};
    Error error{ErrorKind::tpm_unavailable, "cannot open /dev/tpmrm0: Permission denied"};
    int tries = 0;
    PatientTpm tpm{[this]() -> Result<std::unique_ptr<Tpm>> {
                       ++tries;
                       if (waiting.time < there_at) return std::unexpected(error);
                       return std::make_unique<FakeTpm>();
                   },
                   &waiting};
};

TEST_F(PatientTpmTest, ThatIsThereIsOpenedAtOnce) {
    EXPECT_TRUE(tpm.open());
    EXPECT_EQ(tries, 1);
    EXPECT_EQ(waiting.time, 5s);
}

// udev took 20 s until the device had its group.
TEST_F(PatientTpmTest, ThatComesWithinHalfAMinuteIsWaitedFor) {
    there_at = 25s;
    EXPECT_TRUE(tpm.open());
    EXPECT_EQ(waiting.time, 25s);
}

TEST_F(PatientTpmTest, ThatDoesNotComeIsSaidWithHowLongWasWaited) {
    there_at = 1h;
    const auto opened = tpm.open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::tpm_unavailable);
    EXPECT_THAT(opened.error().message, HasSubstr("Permission denied (waited 30 s"));
    EXPECT_EQ(waiting.time, 35s);
}

TEST_F(PatientTpmTest, IsWaitedForOnceOnly) {
    there_at = 1h;
    EXPECT_FALSE(tpm.open());
    const int before = tries;
    EXPECT_FALSE(tpm.open());
    EXPECT_EQ(tries, before + 1);
    EXPECT_EQ(waiting.time, 35s);
}

TEST_F(PatientTpmTest, ThatRefusesIsNotAskedAgain) {
    there_at = 1h;
    error = {ErrorKind::tpm_locked_out, "locked out"};
    EXPECT_EQ(tpm.open().error().kind, ErrorKind::tpm_locked_out);
    EXPECT_EQ(tries, 1);
}

// The open may fail otherwise while it is waited for: that is the answer.
TEST_F(PatientTpmTest, AnotherErrorEndsTheWait) {
    there_at = 1h;
    PatientTpm changing(
        [this]() -> Result<std::unique_ptr<Tpm>> {
            if (++tries > 3) return fail(ErrorKind::tpm_locked_out, "locked out");
            return std::unexpected(error);
        },
        &waiting);
    EXPECT_EQ(changing.open().error().kind, ErrorKind::tpm_locked_out);
    EXPECT_EQ(tries, 4);
}

}  // namespace
}  // namespace lethe
