#include <gtest/gtest.h>

#include "real_boot.hpp"
#include "tpm/policy.hpp"

// The parsers and calculators together, on what systemd-pcrlock and a TPM made of one boot (data/README.md).

namespace lethe {
namespace {

struct RealBoot : testing::Test, RealBootData {};

TEST_F(RealBoot, ThePolicysDigestIsWhatTheIndexHeld) {
    EXPECT_EQ(to_hex(authorized_policy_content(pcrlock_policy(file.policy).value())),
              "000ba3e2aa55259c17028bd0ca8e76dbfa9d7e0487a659639b07c4e10a16e2210eea");
    EXPECT_EQ(file.nv_handle, policy_index_handle);
}

TEST_F(RealBoot, TheLogAddsUpToAdmittedValues) {
    PcrValues values{{4, {}}, {11, {}}, {12, {}}, {13, {}}};
    for (const LogEvent& event : log.events)
        if (values.contains(event.pcr)) values[event.pcr] = extended(values[event.pcr], event.digest);
    EXPECT_TRUE(refused_pcrs(file.policy, values).empty());
    values[12] = extended(values[12], {});
    EXPECT_EQ(refused_pcrs(file.policy, values), std::vector<unsigned>{12});
}

TEST_F(RealBoot, TheUkisRecordsAreItsImageItsSectionsTheCredentialsAndTheInnerKernel) {
    const auto records = booted_uki_records(log, uki);
    ASSERT_TRUE(records) << records.error().message;
    ASSERT_EQ(records->size(), uki.size() + 2);
    EXPECT_TRUE(std::ranges::equal(std::span(*records).first(uki.size()), uki));
    EXPECT_EQ(records->at(uki.size()).pcr, 12u);
    EXPECT_EQ(extended({}, records->at(uki.size()).digest), admitted(12).values.front());
    EXPECT_EQ(records->back().pcr, 4u);
}

TEST_F(RealBoot, ASectionThatWasMeasuredOtherwiseIsNoticed) {
    uki.back().digest[0] ^= 1;
    EXPECT_EQ(booted_uki_records(log, uki).error().kind, ErrorKind::wrong_state);
}

}  // namespace
}  // namespace lethe
