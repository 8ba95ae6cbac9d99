// What a release will measure, put in the place of the running one: held against a real boot, of which log, policy and index are known.
#include <gtest/gtest.h>

#include <algorithm>

#include "measure/uki.hpp"
#include "pcrlock/predicted_release.hpp"
#include "pcrlock/proof.hpp"
#include "real_boot.hpp"
#include "tpm/policy.hpp"

namespace lethe {
namespace {

constexpr std::array banks{Bank::sha256};

MeasuredEvent event_of(unsigned pcr, const Digest& digest) {
    BankDigests digests;
    EXPECT_TRUE(add_digest(digests, Bank::sha256, digest));
    return {.pcr = pcr, .what = "", .digests = std::move(digests)};
}

struct Release : testing::Test {
    RealBootData boot;
    std::vector<Record> booted = booted_uki_records(boot.log, boot.uki).value();
    Digest image = booted.front().digest;
    PredictedEvents events;

    Release() {
        for (const Record& record : booted) events.release.push_back(event_of(record.pcr, record.digest));
    }
    Result<PredictedRelease> predicted() const { return predict_release(events, boot.log, image, {}); }
};

TEST_F(Release, TheRunningOneIsProvedByThePolicyThatItMade) {
    const auto release = predicted();
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ(release->records, booted);
    ASSERT_EQ(release->boots.size(), 2U);
    EXPECT_NE(release->boots[0].at(11), release->boots[1].at(11));
    const auto content = authorized_policy_content(pcrlock_policy(boot.file.policy).value());
    const auto proof = prove(boot.file.policy, std::array{4U, 11U, 12U, 13U}, release->boots, content);
    EXPECT_TRUE(proof) << proof.error().message;
}

TEST_F(Release, AnotherOneIsNotProvedByThatPolicy) {
    const auto content = authorized_policy_content(pcrlock_policy(boot.file.policy).value());
    events.release.push_back(measured(pcr::kernel_config, "a credential", {}, banks));
    const auto release = predicted();
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ(release->records.size(), booted.size() + 1);
    const auto proof = prove(boot.file.policy, std::array{4U, 11U, 12U, 13U}, release->boots, content);
    ASSERT_FALSE(proof);
    EXPECT_TRUE(proof.error().message.contains("PCR 12")) << proof.error().message;
}

TEST_F(Release, WhatTheKernelMeasuresIsNoRecord) {
    events.release.push_back(measured(pcr::kernel_initrd, "initrd", {}, banks));
    EXPECT_EQ(predicted()->records, booted);
}

TEST_F(Release, OtherPcrsStayAsTheyAre) {
    const PcrValues present{{7, sha256(as_octets("seven"))}, {4, {}}};
    const auto release = predict_release(events, boot.log, image, present).value();
    for (const auto& values : release.boots) {
        EXPECT_EQ(values.at(7), present.at(7));
        EXPECT_NE(values.at(4), present.at(4));
    }
}

TEST_F(Release, AnImageThatIsNotInTheLogIsRefused) {
    const auto other = predict_release(events, boot.log, sha256(as_octets("another")), {});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().kind, ErrorKind::wrong_state);
}

}  // namespace
}  // namespace lethe
