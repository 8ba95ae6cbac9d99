#include <gtest/gtest.h>

#include "pcrlock/proof.hpp"
#include "tpm/policy.hpp"

namespace lethe {
namespace {

Digest value(std::uint8_t octet) {
    Digest digest;
    digest.fill(octet);
    return digest;
}

struct Proof : testing::Test {
    std::vector<unsigned> required{4, 11};
    PcrPolicy policy{{4, {value(1), value(2)}}, {11, {value(3), value(4), value(5), value(6)}}};
    std::vector<PcrValues> boots{{{4, value(2)}, {11, value(5)}}, {{4, value(2)}, {11, value(6)}}};
    Octets content = authorized_policy_content(pcrlock_policy(policy).value());

    void expect_refused(std::string_view words, ErrorKind kind = ErrorKind::policy_mismatch) {
        const auto proof = prove(policy, required, boots, content);
        ASSERT_FALSE(proof);
        EXPECT_EQ(proof.error().kind, kind);
        EXPECT_TRUE(proof.error().message.contains(words)) << proof.error().message;
    }
};

TEST_F(Proof, HoldsForABootThatIsAdmittedInEveryPhase) { EXPECT_TRUE(prove(policy, required, boots, content)); }

TEST_F(Proof, FailsWhenOnePhaseIsNotAdmitted) {
    boots[1][11] = value(7);
    expect_refused("PCR 11 has a value that the policy does not admit");
}

TEST_F(Proof, FailsWhenThePolicyLostAPcr) {
    policy.erase(policy.begin());
    content = authorized_policy_content(pcrlock_policy(policy).value());
    expect_refused("does not name PCR 4");
}

TEST_F(Proof, FailsWhenTheIndexHoldsAnotherPolicy) {
    content.back() ^= 1;
    expect_refused("the NV index does not hold");
    content.clear();
    expect_refused("the NV index does not hold");
}

TEST_F(Proof, NeedsABoot) {
    boots.clear();
    expect_refused("no boot", ErrorKind::invalid_argument);
}

}  // namespace
}  // namespace lethe
