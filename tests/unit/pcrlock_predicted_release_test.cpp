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
    PredictedEvents events;
    std::array<unsigned, 4> required{4, 11, 12, 13};
    Octets content = authorized_policy_content(pcrlock_policy(boot.file.policy).value());

    Release() {
        for (const Record& record : booted) events.release.push_back(event_of(record.pcr, record.digest));
    }
    std::vector<PcrValues> boots(const PcrValues& present = {}) const {
        return boots_of(release_records(events).value(), boot.log, booted, present).value();
    }
};

TEST_F(Release, TheRunningOneIsProvedByThePolicyThatItMade) {
    EXPECT_EQ(release_records(events), booted);
    const auto moments = boots();
    ASSERT_EQ(moments.size(), 2U);
    EXPECT_NE(moments[0].at(11), moments[1].at(11));
    const auto proof = prove(boot.file.policy, required, moments, content);
    EXPECT_TRUE(proof) << proof.error().message;
}

TEST_F(Release, AnotherOneIsNotProvedByThatPolicy) {
    events.release.push_back(measured(pcr::kernel_config, "a credential", {}, banks));
    EXPECT_EQ(release_records(events)->size(), booted.size() + 1);
    const auto proof = prove(boot.file.policy, required, boots(), content);
    ASSERT_FALSE(proof);
    EXPECT_TRUE(proof.error().message.contains("PCR 12")) << proof.error().message;
}

TEST_F(Release, WhatTheKernelMeasuresIsNoRecord) {
    events.release.push_back(measured(pcr::kernel_initrd, "initrd", {}, banks));
    EXPECT_EQ(release_records(events), booted);
}

TEST_F(Release, OtherPcrsStayAsTheyAre) {
    const PcrValues present{{7, sha256(as_octets("seven"))}, {4, {}}};
    for (const auto& values : boots(present)) {
        EXPECT_EQ(values.at(7), present.at(7));
        EXPECT_NE(values.at(4), present.at(4));
    }
}

TEST_F(Release, ARunningImageThatIsNotInTheLogIsRefused) {
    const std::vector<Record> another{{4, sha256(as_octets("another"))}}, none{{11, sha256(as_octets("another"))}};
    for (const auto& running : {another, none}) {
        const auto boots = boots_of(booted, boot.log, running, {});
        ASSERT_FALSE(boots);
        EXPECT_EQ(boots.error().kind, ErrorKind::wrong_state);
    }
}

}  // namespace
}  // namespace lethe
