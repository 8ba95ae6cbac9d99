#include "pcrlock/gate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_pcrlock.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Gate : testing::Test {
    std::vector<unsigned> required{4, 11};
    PcrPolicy policy{{4, {digest_of(4)}}, {11, {digest_of(10), digest_of(11)}}};
    PcrValues present{{4, digest_of(4)}, {11, digest_of(11)}};
    EventLog log;

    Gate() {
        log.events = {
            {.pcr = 4, .digest = digest_of(1), .firmware = true, .type = "efi-action", .component = "350-action", .description = "Calling"},
            {.pcr = 4,
             .digest = digest_of(2),
             .firmware = true,
             .type = "efi-action",
             .component = "",
             .description = "Returning from EFI Application"}};
        log.pcrs[4] = log.pcrs[11] = {true, true, true};
    }
    Result<void> check() { return check_gate(required, policy, present, log); }
    std::string refusal() {
        const auto result = check();
        EXPECT_FALSE(result);
        EXPECT_EQ(result.error().kind, ErrorKind::policy_mismatch);
        return result.error().message;
    }
};

TEST_F(Gate, APolicyThatAdmitsThePresentValuesPasses) { EXPECT_TRUE(check()); }

TEST_F(Gate, APcrThatIsLeftOutIsNamedWithItsUnmatchedEvent) {
    policy.erase(policy.begin());
    log.pcrs[4].all_events_matched = false;
    EXPECT_THAT(refusal(),
                testing::AllOf(HasSubstr("PCR 4 cannot be locked"), HasSubstr("event 1 (efi-action, \"Returning from EFI Application\""),
                               Not(HasSubstr("Calling")), Not(HasSubstr("PCR 11"))));
}

TEST_F(Gate, APcrThatIsNotWhatTheLogAddsUpToIsNamed) {
    policy.erase(policy.begin());
    log.pcrs[4].matches_log = false;
    EXPECT_THAT(refusal(), HasSubstr("PCR 4 cannot be locked: its value is not what the event log adds up to"));
}

TEST_F(Gate, AMissingComponentIsNamed) {
    policy.erase(policy.begin());
    log.pcrs[4].no_missing_components = false;
    log.missing_components = {"630-lethe-loader"};
    EXPECT_THAT(refusal(), HasSubstr("630-lethe-loader"));
}

TEST_F(Gate, EveryPcrThatDoesNotPassIsNamed) {
    policy.clear();
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("PCR 4"), HasSubstr("PCR 11")));
}

TEST_F(Gate, APresentValueThatIsNotAdmittedIsRefused) {
    present[11] = digest_of(0xab);
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("PCR 11: the present value abababab"), HasSubstr("2 that are admitted")));
}

TEST_F(Gate, AValueThatTheTpmDoesNotTellIsRefused) {
    present.erase(11);
    EXPECT_THAT(refusal(), HasSubstr("PCR 11"));
}

TEST_F(Gate, MoreValuesThanAPolicyHoldsAreRefusedBeforeAnIndexIsMade) {
    for (std::uint8_t i = 0x20; i < 0x28; ++i) policy[0].values.push_back(digest_of(i));
    EXPECT_THAT(refusal(), HasSubstr("PCR 4 has 9 possible values and a policy holds 8"));
}

TEST_F(Gate, AnEventsDescriptionCannotDisturbTheMessage) {
    policy.erase(policy.begin());
    log.pcrs[4].all_events_matched = false;
    log.events[1].description = "\x1b[2J\nroot\xff" + std::string(500, 'x');
    const std::string message = refusal();
    EXPECT_THAT(message, HasSubstr("?[2J?root?xxx"));
    EXPECT_LT(message.size(), 300u);
}

TEST_F(Gate, OtherPcrsOfThePolicyDoNotMatter) {
    policy.push_back({12, {digest_of(0xcc)}});
    EXPECT_TRUE(check());
}

}  // namespace
}  // namespace lethe
