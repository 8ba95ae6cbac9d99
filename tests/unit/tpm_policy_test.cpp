#include <gtest/gtest.h>

#include "tpm/policy.hpp"

using namespace lethe;

namespace {

Digest digest_of(std::string_view text) { return sha256(as_octets(text)); }
Digest filled(std::uint8_t octet) {
    Digest digest;
    digest.fill(octet);
    return digest;
}

// The expected digests were computed by a separate program straight from the formulas of TPM 2.0 Part 3; tpm_esys_test.cpp compares the
// calculators with a TPM.

TEST(Policy, PcrSelectionIsOneBankOfThreeOctets) {
    EXPECT_EQ(to_hex(pcr_selection(std::vector<unsigned>{0, 7, 8, 23})), "00000001000b03810180");
    EXPECT_EQ(to_hex(pcr_selection({})), "00000001000b03000000");
}

TEST(Policy, PolicyPcrFollowsTheFormula) {
    EXPECT_EQ(to_hex(policy_pcr(Digest{}, {{4, filled(4)}, {11, filled(11)}})),
              "dc59e4b7d863b1ca13e2b36d1f4d0a400bd824beb45d9da0674f7acb8ca691a3");
}

TEST(Policy, PolicyOrFollowsTheFormulaAndTakes2To8Branches) {
    const std::vector<Digest> branches(9, filled(1));
    EXPECT_EQ(to_hex(*policy_or(std::array{filled(1), filled(2)})), "b7f2739ce512b4d913cf42f92ce548cec940017dd3149d7c38ab236ff8e50fc3");
    EXPECT_TRUE(policy_or(std::span(branches).first(8)));
    EXPECT_EQ(policy_or(branches).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(policy_or(std::span(branches).first(1)).error().kind, ErrorKind::invalid_argument);
}

TEST(Policy, PolicyAuthorizeNvFollowsTheFormula) {
    EXPECT_EQ(to_hex(policy_authorize_nv(authorized_policy_content(filled(9)))),
              "61727f476950d0b03e47992d057318b54f1fac9246ba390bffee8f41cc4f2bd9");
}

TEST(Policy, PcrlockPutsSingleValuesFirstThenEachOtherPcrAscending) {
    const PcrPolicy policy{{4, {filled(1), filled(2)}}, {7, {filled(7)}}, {11, {filled(3), filled(4), filled(5)}}, {12, {Digest{}}}};
    EXPECT_EQ(to_hex(*pcrlock_policy(policy)), "77029a70873744a57622e271111ea45fa00c16d26d1f170bc8b0ca916a5048b3");
    const PcrPolicy shuffled{policy[2], policy[3], policy[0], policy[1]};
    EXPECT_EQ(*pcrlock_policy(shuffled), *pcrlock_policy(policy)) << "systemd goes by PCR, not by the file";
    PcrPolicy swapped = policy;
    std::swap(swapped[0].values[0], swapped[0].values[1]);
    EXPECT_NE(*pcrlock_policy(swapped), *pcrlock_policy(policy)) << "but the order of the values counts";
}

TEST(Policy, ARepeatedValueCountsOnce) {
    EXPECT_EQ(*pcrlock_policy({{4, {filled(1), filled(1)}}}), *pcrlock_policy({{4, {filled(1)}}}));
    const PcrPolicy nine{{4, {filled(1), filled(2), filled(3), filled(4), filled(5), filled(6), filled(7), filled(8), filled(1)}}};
    EXPECT_TRUE(pcrlock_policy(nine));
}

TEST(Policy, APolicyThatSystemdWouldNotMakeIsInvalid) {
    PcrPolicy nine{{4, {}}};
    for (std::uint8_t value = 0; value < 9; ++value) nine[0].values.push_back(filled(value));
    for (const PcrPolicy& policy : {PcrPolicy{}, PcrPolicy{{4, {}}}, PcrPolicy{{24, {filled(1)}}},
                                    PcrPolicy{{4, {filled(1)}}, {7, {filled(1)}}, {4, {filled(1)}}}, nine})
        EXPECT_EQ(pcrlock_policy(policy).error().kind, ErrorKind::invalid_argument);
}

TEST(Policy, BranchesStartFromTheDigestBefore) {
    const std::vector<Digest> branches = policy_pcr_branches(filled(3), {4, {filled(1), filled(2)}});
    ASSERT_EQ(branches.size(), 2U);
    EXPECT_EQ(branches[1], policy_pcr(filled(3), {{4, filled(2)}}));
}

TEST(Policy, RefusedPcrsAreThoseWithAnotherValueOrNone) {
    const PcrPolicy policy{{4, {filled(1), filled(2)}}, {7, {filled(7)}}, {11, {filled(3)}}};
    EXPECT_EQ(refused_pcrs(policy, {{4, filled(2)}, {7, filled(8)}}), (std::vector<unsigned>{7, 11}));
    EXPECT_TRUE(refused_pcrs(policy, {{4, filled(1)}, {7, filled(7)}, {11, filled(3)}, {12, filled(9)}}).empty());
}

TEST(Policy, ASessionComesToThePolicyInEveryBootThatItAdmitsAndInNoOther) {
    const auto value = [](std::uint8_t octet) {
        Digest digest;
        digest.fill(octet);
        return digest;
    };
    const PcrPolicy policy{{11, {value(1), value(2), value(3)}}, {4, {value(4)}}, {12, {value(5), value(6)}}};
    for (const std::uint8_t eleven : {1, 2, 3}) {
        for (const std::uint8_t twelve : {5, 6})
            EXPECT_EQ(session_policy(policy, {{4, value(4)}, {11, value(eleven)}, {12, value(twelve)}, {7, value(9)}}).value(),
                      pcrlock_policy(policy).value());
    }
    for (const PcrValues& other : {PcrValues{{4, value(5)}, {11, value(1)}, {12, value(5)}},
                                   {{4, value(4)}, {11, value(4)}, {12, value(5)}},
                                   {{4, value(4)}, {11, value(1)}},
                                   {}})
        EXPECT_EQ(session_policy(policy, other).error().kind, ErrorKind::policy_mismatch);
    EXPECT_EQ(session_policy({}, {}).error().kind, ErrorKind::invalid_argument);
}

TEST(Policy, TheContentOfTheIndexIsAlgorithmAndDigest) {
    EXPECT_EQ(to_hex(authorized_policy_content(digest_of(""))), "000be3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Policy, ExtendingHashesTheValueBeforeTheDigest) {
    EXPECT_EQ(to_hex(extended(Digest{}, digest_of(""))), "1c9ecec90e28d2461650418635878a5c91e49f47586ecf75f2b0cbb94e897112");
}

}  // namespace
