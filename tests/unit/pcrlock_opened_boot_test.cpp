#include "pcrlock/opened_boot.hpp"

#include <gtest/gtest.h>

#include "fake_pcrlock.hpp"
#include "measure/measurement.hpp"

namespace lethe {
namespace {

constexpr unsigned config = pcr::kernel_config;
const Digest credential = digest_of(0xc1);

Digest digest_of_word(std::string_view word) { return sha256(as_octets(word)); }

Digest value_of(const std::vector<Digest>& digests) {
    Digest value{};
    for (const Digest& digest : digests) value = extended(value, digest);
    return value;
}

// A boot whose stub has measured this into PCR 12, and a policy as systemd-pcrlock makes it of the components of lock_opening().
struct Boot {
    explicit Boot(std::vector<Digest> measured) {
        const Digest opened = digest_of_word(opened_word), opening = digest_of_word(opening_word);
        for (const Digest& digest : measured) extend(digest, true);
        for (const std::vector<Digest>& first : std::vector<std::vector<Digest>>{{}, {opened}, {opening}, {opened, opening}}) {
            if (!measured.empty() && std::ranges::contains(first, opening)) continue;
            auto digests = first;
            digests.insert(digests.end(), measured.begin(), measured.end());
            policy.front().values.push_back(value_of(digests));
        }
    }
    void extend(const Digest& digest, bool firmware) {
        tpm.extend(config, digest);
        log.events.push_back({.pcr = config, .digest = digest, .firmware = firmware, .type = "", .component = "", .description = ""});
    }
    RecordWord recorder() {
        return [this](std::string_view word) -> Result<void> {
            words.emplace_back(word);
            extend(digest_of_word(word), false);
            return {};
        };
    }
    bool admitted() { return std::ranges::contains(policy.front().values, value()); }
    Digest value() { return tpm.read_pcrs(std::array{config})->at(config); }

    FakeTpm tpm;
    EventLog log;
    PcrPolicy policy{{config, {}}};
    std::vector<std::string> words;
};

TEST(OpenedBoot, IsNotAdmittedAnyMore) {
    Boot boot({credential});
    ASSERT_TRUE(boot.admitted());
    ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
    EXPECT_FALSE(boot.admitted());
    EXPECT_EQ(boot.words, std::vector<std::string>{std::string(opened_word)});
    EXPECT_EQ(boot.policy.front().values.size(), values_of_one_boot(boot.policy.front()));
}

TEST(OpenedBoot, IsClosedOnce) {
    Boot boot({credential});
    ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
    ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
    EXPECT_EQ(boot.words.size(), 1U);
}

TEST(OpenedBoot, OfWhichNothingWasMeasuredBeforeIsNotAdmittedEither) {
    Boot boot({});
    ASSERT_TRUE(boot.admitted());
    ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
    EXPECT_FALSE(boot.admitted());
    EXPECT_EQ(boot.words, (std::vector<std::string>{std::string(opening_word), std::string(opened_word)}));
    EXPECT_EQ(boot.policy.front().values.size(), values_of_one_boot(boot.policy.front()));
}

TEST(OpenedBoot, ThatWasCutBetweenTheTwoWordsIsClosedByTheNextStart) {
    Boot boot({});
    boot.extend(digest_of_word(opening_word), false);
    ASSERT_TRUE(boot.admitted());
    ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
    EXPECT_FALSE(boot.admitted());
    EXPECT_EQ(boot.words, std::vector<std::string>{std::string(opened_word)});
}

TEST(OpenedBoot, IsAnErrorWhenNothingWasRecorded) {
    Boot boot({credential});
    const auto closed =
        close_opening(boot.tpm, &boot.policy, [](std::string_view) -> Result<void> { return {}; }, std::chrono::milliseconds(50));
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().kind, ErrorKind::tpm_unavailable);
    const auto failed = close_opening(boot.tpm, &boot.policy, [](std::string_view) -> Result<void> { return fail(ErrorKind::io, "no"); });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::io);
}

TEST(OpenedBoot, IsComparedByTheValueBefore) {
    for (const auto& measured : {std::vector<Digest>{credential}, {}}) {
        Boot boot(measured);
        const PcrValues before = *boot.tpm.read_pcrs(std::array{4U, config});
        EXPECT_FALSE(was_opened(boot.log));
        EXPECT_EQ(before_opening(before, boot.log).value(), before);
        ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
        EXPECT_TRUE(was_opened(boot.log));
        const PcrValues after = *boot.tpm.read_pcrs(std::array{4U, config});
        ASSERT_NE(after, before);
        EXPECT_EQ(before_opening(after, boot.log).value(), before);
    }
}

TEST(OpenedBoot, WithAnotherValueThanItsLogIsRefused) {
    Boot boot({credential});
    ASSERT_TRUE(close_opening(boot.tpm, &boot.policy, boot.recorder()));
    boot.tpm.extend(config, digest_of(0xee));
    const auto refused = before_opening(*boot.tpm.read_pcrs(std::array{config}), boot.log);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::policy_mismatch);
}

TEST(OpenedBoot, IsNotSaidByWhatTheFirmwareMeasured) {
    Boot boot({digest_of_word(opened_word)});
    EXPECT_FALSE(was_opened(boot.log));
}

}  // namespace
}  // namespace lethe
