// What only a real TPM can show of a counter: the commands, what goes over the wire, what stays behind, what happens when one fails.
#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "counting_tcti.hpp"
#include "software_tpm.hpp"

using namespace lethe;

namespace {

constexpr std::uint32_t handle = counter_index_handle;
using Codes = std::vector<std::uint32_t>;

class EsysCounterTest : public testing::Test {
protected:
    EsysCounterTest() { EXPECT_TRUE(tpm.storage_root()); }
    ~EsysCounterTest() override {
        traffic.before = nullptr;
        traffic.tamper = nullptr;
        EXPECT_EQ(tpm.leftovers(), 0U) << "something stays behind in the TPM";
    }

    std::unique_ptr<NvCounter> defined() {
        EXPECT_TRUE(tpm.counter_define(handle, authorisation));
        return tpm.counter_open(handle, authorisation).value();
    }
    Codes commands(const std::function<void()>& action) {
        traffic.forget();
        action();
        return traffic.command_codes();
    }
    /// Answers every command of these kinds, the first `times` of them.
    void answer(Codes codes, std::uint32_t response_code, int times = 1000) {
        traffic.before = [=](std::uint32_t code) mutable -> std::optional<std::uint32_t> {
            if (!std::ranges::contains(codes, code) || times-- <= 0) return std::nullopt;
            return response_code;
        };
    }
    /// Fails each command of an action once with each of many answers. `check` is given the outcome.
    void fail_each(const std::function<Result<void>()>& action, const std::function<void()>& prepare,
                   const std::function<void(const Result<void>&, std::uint32_t rc)>& check) {
        prepare();
        const Codes clean = commands([&] { EXPECT_TRUE(action()); });
        for (std::size_t failing = 0; failing < clean.size(); ++failing) {
            if (clean[failing] == TPM2_CC_FlushContext) continue;
            for (const std::uint32_t rc : {TPM2_RC_FAILURE, TPM2_RC_LOCKOUT, TPM2_RC_MEMORY, TPM2_RC_REFERENCE_S0, TPM2_RC_HANDLE,
                                           TPM2_RC_VALUE, TPM2_RC_BAD_AUTH, TSS2_TCTI_RC_IO_ERROR}) {
                SCOPED_TRACE(std::format("command {} ({:#x}) answered with {:#x}", failing, clean[failing], rc));
                prepare();
                std::size_t position = 0;
                traffic.before = [&](std::uint32_t) { return position++ == failing ? std::optional(rc) : std::nullopt; };
                const auto done = action();
                traffic.before = nullptr;
                EXPECT_EQ(tpm.leftovers(), 0U);
                check(done, rc);
            }
        }
    }

    SoftwareTpm tpm;
    CountingTcti& traffic = tpm.traffic();
    Secret authorisation = Secret::random(32);
};

TEST_F(EsysCounterTest, CostsOneCommandToReadAndOneToIncrement) {
    std::unique_ptr<NvCounter> counter;
    EXPECT_EQ(commands([&] { EXPECT_TRUE(tpm.counter_define(handle, authorisation)); }),
              (Codes{TPM2_CC_ReadPublic, TPM2_CC_StartAuthSession, TPM2_CC_NV_DefineSpace, TPM2_CC_NV_Increment}));
    EXPECT_EQ(commands([&] { counter = tpm.counter_open(handle, authorisation).value(); }),
              (Codes{TPM2_CC_NV_ReadPublic, TPM2_CC_ReadPublic, TPM2_CC_StartAuthSession, TPM2_CC_NV_Read}));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(commands([&] { EXPECT_TRUE(counter->increment()); }), Codes{TPM2_CC_NV_Increment});
        EXPECT_EQ(commands([&] { EXPECT_TRUE(counter->read()); }), Codes{TPM2_CC_NV_Read});
    }
    EXPECT_EQ(commands([&] { counter.reset(); }), Codes{TPM2_CC_FlushContext});
}

TEST_F(EsysCounterTest, MakesALostSessionAnewOnce) {
    const auto counter = defined();
    const std::uint64_t value = counter->read().value();
    tpm.power_cycle();
    EXPECT_EQ(std::ranges::count(commands([&] { EXPECT_TRUE(counter->increment()); }), TPM2_CC_NV_Increment), 2);
    EXPECT_EQ(counter->read().value(), value + 1);
    answer({TPM2_CC_NV_Increment}, TPM2_RC_REFERENCE_S0);
    EXPECT_EQ(counter->increment().error().kind, ErrorKind::tpm_unavailable);
    EXPECT_EQ(std::ranges::count(commands([&] { EXPECT_FALSE(counter->increment()); }), TPM2_CC_NV_Increment), 2);
    traffic.before = nullptr;
    EXPECT_EQ(counter->read().value(), value + 1);
}

TEST_F(EsysCounterTest, NeitherDefiningNorUsingItShowsTheAuthorisation) {
    traffic.forget();
    const auto counter = defined();
    ASSERT_TRUE(counter->increment());
    for (std::size_t part = 0; part + 8 <= authorisation.size(); part += 8)
        EXPECT_FALSE(traffic.saw(authorisation.expose().subspan(part, 8)));
    EXPECT_TRUE(traffic.saw(OctetWriter().u32(handle).octets())) << "the recorder records nothing";
}

TEST_F(EsysCounterTest, AForgedValueIsRefused) {
    const auto counter = defined();
    const std::uint64_t value = counter->read().value();
    traffic.tamper = [&](std::uint32_t code, std::span<std::uint8_t> response) {
        if (code == TPM2_CC_NV_Read) response[23] ^= 1;  // header, parameterSize and the length come to 16 octets; then the value
    };
    EXPECT_EQ(counter->read().error().kind, ErrorKind::tpm_unavailable);
    EXPECT_EQ(tpm.counter_open(handle, authorisation).error().kind, ErrorKind::tpm_unavailable);
    traffic.tamper = nullptr;
    EXPECT_EQ(counter->read().value(), value);
}

// It has been counted, and nobody knows: read() tells.
TEST_F(EsysCounterTest, AnIncrementWhoseAnswerIsLostIsUnavailableAndIsNotRepeated) {
    const auto counter = defined();
    const std::uint64_t value = counter->read().value();
    traffic.tamper = [&](std::uint32_t code, std::span<std::uint8_t> response) {
        if (code == TPM2_CC_NV_Increment) response.back() ^= 1;
    };
    EXPECT_EQ(counter->increment().error().kind, ErrorKind::tpm_unavailable);
    traffic.tamper = nullptr;
    EXPECT_EQ(counter->read().value(), value + 1);
}

TEST_F(EsysCounterTest, ADefinitionThatFailsLeavesNothingBehind) {
    const auto undefined = [&] { (void)tpm.nv_undefine(handle); };
    fail_each([&] { return tpm.counter_define(handle, authorisation); }, undefined,
              [&](const Result<void>& done, std::uint32_t rc) {
                  // Without a storage root key one is made, which is this one.
                  ASSERT_TRUE(!done || rc == TPM2_RC_HANDLE);
                  EXPECT_EQ(tpm.nv_area(handle).has_value(), done.has_value());
                  undefined();
                  EXPECT_TRUE(tpm.counter_define(handle, authorisation));
              });
}

TEST_F(EsysCounterTest, ADefinitionThatIsCutIsBroughtToItsEndByOpening) {
    answer({TPM2_CC_NV_Increment, TPM2_CC_NV_UndefineSpace}, TSS2_TCTI_RC_IO_ERROR);
    EXPECT_EQ(tpm.counter_define(handle, authorisation).error().kind, ErrorKind::tpm_unavailable);
    traffic.before = nullptr;
    ASSERT_FALSE(tpm.nv_area(handle)->written);
    EXPECT_EQ(tpm.counter_open(handle, Secret::random(32)).error().kind, ErrorKind::wrong_state) << "by its maker alone";
    const auto counter = tpm.counter_open(handle, authorisation).value();
    EXPECT_GT(counter->read().value(), 0U);
    EXPECT_TRUE(counter->increment());
    tpm.traffic().forget();
}

TEST_F(EsysCounterTest, AnOpeningThatFailsLeavesNothingBehind) {
    ASSERT_TRUE(tpm.counter_define(handle, authorisation));
    fail_each(
        [&]() -> Result<void> {
            TRY(tpm.counter_open(handle, authorisation));
            return {};
        },
        [] {},
        [&](const Result<void>& done, std::uint32_t rc) {
            const bool lost = rc == TPM2_RC_REFERENCE_S0 || rc == TPM2_RC_HANDLE;
            EXPECT_TRUE(lost || !done);
            EXPECT_TRUE(tpm.counter_open(handle, authorisation));
        });
}

ErrorKind kind_of(std::uint32_t rc) {
    if (rc == TPM2_RC_LOCKOUT) return ErrorKind::tpm_locked_out;
    return rc == TPM2_RC_BAD_AUTH ? ErrorKind::wrong_state : ErrorKind::tpm_unavailable;
}

TEST_F(EsysCounterTest, AVerbThatFailsWorksTheNextTime) {
    ASSERT_TRUE(tpm.counter_define(handle, authorisation));
    for (const bool increments : {true, false}) {
        std::unique_ptr<NvCounter> counter;
        std::uint64_t value = 0;
        fail_each(
            [&]() -> Result<void> {
                auto done = increments ? counter->increment() : counter->read().transform([](std::uint64_t) {});
                counter.reset();
                return done;
            },
            [&] {
                counter = tpm.counter_open(handle, authorisation).value();
                value = counter->read().value();
            },
            [&](const Result<void>& done, std::uint32_t rc) {
                EXPECT_EQ(done.has_value(), rc == TPM2_RC_REFERENCE_S0 || rc == TPM2_RC_HANDLE);
                const ErrorKind kind = done ? kind_of(rc) : done.error().kind;
                EXPECT_EQ(kind, kind_of(rc));
                const auto again = tpm.counter_open(handle, authorisation).value();
                EXPECT_EQ(again->read().value(), value + (increments && done ? 1 : 0));
            });
    }
}

TEST_F(EsysCounterTest, ATpmWithoutRoomForItSaysSo) {
    answer({TPM2_CC_NV_DefineSpace}, TPM2_RC_NV_SPACE);
    const auto refused = tpm.counter_define(handle, authorisation);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("tpm2_nvundefine")) << refused.error().message;
}

TEST_F(EsysCounterTest, StaysUsableWhileAVaultIsOpened) {
    const auto counter = defined();
    const TpmReference root = tpm.storage_root().value();
    EXPECT_TRUE(tpm.seal(root, Secret::random(32), Digest{}));
    EXPECT_TRUE(counter->increment());
}

}  // namespace
