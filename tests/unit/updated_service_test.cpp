// What becomes of a release from its staging to the boot after it.
#include <gmock/gmock.h>

#include "update_machine.hpp"

namespace lethe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Updates : public testing::TestWithParam<bool> {
protected:
    Updates() {
        machine.state.secure_boot = GetParam();
        machine.install();
    }

    void stage(const ReleaseSpec& spec, const StageOptions& options = {}) {
        const auto staged = machine.service().stage(machine.built(spec), options);
        ASSERT_TRUE(staged) << staged.error().message;
        EXPECT_EQ(*staged, spec.version);
    }
    const UpdateStatus& status() { return machine.service().status(); }
    void boot() {
        machine.boot_until_it_stays();
        EXPECT_TRUE(machine.opened);
        EXPECT_TRUE(machine.committed) << machine.committed.error().message;
        machine.service().settle();
        EXPECT_EQ(status().reason, "");
    }
    void expect_runs_alone(const std::string& version) {
        EXPECT_EQ(machine.version(), version);
        EXPECT_EQ(status().policy, PolicyState::running);
        EXPECT_THAT(status().admitted, ElementsAre(version));
        EXPECT_FALSE(status().staged);
        EXPECT_THAT(machine.images(), ElementsAre("lethe_" + version + ".efi", "lethe_" + version + ".efi.extra.d"));
    }
    std::string last_failure() {
        machine.service().settle();
        return status().last_failure;
    }

    BootingMachine machine;
};

TEST_P(Updates, AMachineThatWasInstalledAdmitsWhatItRuns) {
    boot();
    expect_runs_alone("1");
    ASSERT_TRUE(status().running);
    EXPECT_EQ(status().running->secure_boot, GetParam());
    EXPECT_FALSE(status().running->trial);
}

TEST_P(Updates, AReleaseIsStagedTriedAndKept) {
    stage({.version = "2"});
    EXPECT_EQ(status().policy, PolicyState::staged);
    EXPECT_THAT(status().admitted, ElementsAre("1", "2"));
    ASSERT_TRUE(status().staged);
    EXPECT_EQ(status().staged->name.file(), "lethe_2+3.efi");
    EXPECT_EQ(status().staged->state, StagedState::staged);
    EXPECT_EQ(machine.vault(), machine.state.vault) << "the running release is not admitted any more";

    boot();
    expect_runs_alone("2");
    boot();
    expect_runs_alone("2");
}

TEST_P(Updates, AReleaseIsOnTrialUntilItsBootIsComplete) {
    stage({.version = "2"});
    machine.unhealthy = {"2"};
    EXPECT_FALSE(machine.boot());
    EXPECT_TRUE(machine.opened);
    EXPECT_EQ(status().policy, PolicyState::trial);
    EXPECT_THAT(status().admitted, ElementsAre("2", "1"));
    const auto committed = machine.service().commit();
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().kind, ErrorKind::wrong_state);
    const auto staged = machine.service().stage(machine.built({.version = "3"}), {});
    ASSERT_FALSE(staged);
    EXPECT_EQ(staged.error().kind, ErrorKind::wrong_state);
}

TEST_P(Updates, FilesBesideTheReleaseAreTakenAlongReplacedOrLeft) {
    stage({.version = "2"}, with_beside({{"more.cred", {1}}, {"torrc.cred", {2}}}));
    boot();
    expect_runs_alone("2");
    EXPECT_EQ(machine.state.medium.read("EFI/Linux/lethe_2.efi.extra.d/torrc.cred"), Octets{2});
    EXPECT_EQ(machine.state.medium.read("EFI/Linux/lethe_2.efi.extra.d/more.cred"), Octets{1});
    stage({.version = "3"}, without({"more.cred"}));
    boot();
    expect_runs_alone("3");
    EXPECT_EQ(machine.state.medium.read("EFI/Linux/lethe_3.efi.extra.d/torrc.cred"), Octets{2});
    EXPECT_FALSE(machine.state.medium.exists("EFI/Linux/lethe_3.efi.extra.d/more.cred"));
}

TEST_P(Updates, AnAbortTakesTheReleaseBack) {
    stage({.version = "2"});
    const auto aborted = machine.service().abort();
    ASSERT_TRUE(aborted) << aborted.error().message;
    expect_runs_alone("1");
    const auto again = machine.service().abort();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::not_found);
    boot();
    expect_runs_alone("1");
    stage({.version = "2"});
    boot();
    expect_runs_alone("2");
}

TEST_P(Updates, AReleaseThatIsNeverHealthyFallsBack) {
    machine.unhealthy = {"2"};
    stage({.version = "2"});
    boot();
    expect_runs_alone("1");
    EXPECT_THAT(last_failure(), AllOf(HasSubstr("release 2"), HasSubstr("no circuit")));
    boot();
    EXPECT_THAT(last_failure(), HasSubstr("release 2"));
    EXPECT_TRUE(machine.service().abort());
    EXPECT_EQ(last_failure(), "");
}

TEST_P(Updates, AReleaseThatFailedAndSaidNothingIsNotedAllTheSame) {
    stage({.version = "2"});
    machine.unhealthy = {"2"};
    while (!machine.boot()) machine.forget_note();
    EXPECT_EQ(machine.version(), "1");
    EXPECT_THAT(last_failure(), HasSubstr("boot-complete.target"));
}

TEST_P(Updates, AReleaseThatIsKeptAtItsSecondTryIsNoFailure) {
    machine.unhealthy = {"2"};
    stage({.version = "2"});
    EXPECT_FALSE(machine.boot());
    machine.unhealthy.clear();
    boot();
    expect_runs_alone("2");
    EXPECT_EQ(last_failure(), "");
    EXPECT_FALSE(machine.state.note);
}

TEST_P(Updates, AnOldReleaseThatIsPutBackOpensNothing) {
    stage({.version = "2"});
    boot();
    machine.put({.version = "1"}, {{"torrc.cred", {'o', 'n', 'e'}}});
    machine.state.one_shot = "lethe_1.efi";
    EXPECT_TRUE(machine.boot());
    EXPECT_EQ(machine.version(), "1");
    EXPECT_FALSE(machine.opened);
    EXPECT_EQ(status().policy, PolicyState::mismatch);
    EXPECT_THAT(status().reason, HasSubstr("does not admit this boot"));
    const auto staged = machine.service().stage(machine.built({.version = "3"}), {});
    ASSERT_FALSE(staged);
    EXPECT_EQ(staged.error().kind, ErrorKind::policy_mismatch);
    const auto committed = machine.service().commit();
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().kind, ErrorKind::policy_mismatch);

    boot();
    expect_runs_alone("2");
}

// With Secure Boot the firmware does not start it; without, PCR 2 is in the policy.
TEST_P(Updates, ADriverThatSomebodyAddsShutsTheVaultWhereNobodyHasToSignIt) {
    machine.adds_a_driver = true;
    EXPECT_TRUE(machine.boot());
    EXPECT_EQ(machine.opened, GetParam());
    machine.adds_a_driver = false;
    boot();
    expect_runs_alone("1");
}

TEST_P(Updates, AnOldPolicyFileThatIsPutBackIsNoticed) {
    std::map<std::string, Octets> old, newest;
    const auto put = [&](const std::map<std::string, Octets>& slots) {
        for (const auto& [slot, octets] : slots) machine.state.medium.write(slot, octets);
    };
    for (const char* slot : {"policy.a", "policy.b"}) old[slot] = machine.state.medium.read("policy.a").value();
    stage({.version = "2"});
    boot();
    for (const char* slot : {"policy.a", "policy.b"}) newest[slot] = machine.state.medium.read(slot).value();
    put(old);
    EXPECT_TRUE(machine.boot());
    EXPECT_FALSE(machine.opened);
    EXPECT_EQ(status().policy, PolicyState::mismatch);
    EXPECT_THAT(status().reason, HasSubstr("an older one was put back"));
    EXPECT_EQ(machine.service().stage(machine.built({.version = "3"}), {}).error().kind, ErrorKind::rollback);
    put(newest);
    boot();
    expect_runs_alone("2");
}

TEST_P(Updates, ACommitLeavesWhatIsStaged) {
    stage({.version = "2"});
    EXPECT_TRUE(machine.service().commit());
    ASSERT_TRUE(status().staged);
    EXPECT_THAT(status().admitted, ElementsAre("1", "2"));
    EXPECT_EQ(machine.images().size(), 4U);
}

TEST_P(Updates, ACommitTakesOffWhatSomebodyPutThere) {
    machine.put({.version = "0.1"}, {});
    boot();
    expect_runs_alone("1");
}

TEST_P(Updates, AnOlderReleaseIsTakenWhenTheOperatorSaysSo) {
    stage({.version = "2"});
    boot();
    stage({.version = "1"}, downgrading());
    EXPECT_EQ(machine.state.one_shot, "lethe_1.efi");
    boot();
    expect_runs_alone("1");
    boot();
    expect_runs_alone("1");
}

TEST_P(Updates, AnotherConfigurationIsStagedTriedAndKept) {
    const auto staged = machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {});
    ASSERT_TRUE(staged) << staged.error().message;
    EXPECT_EQ(*staged, "1^1");
    EXPECT_EQ(machine.state.one_shot, "lethe_1^1.efi");
    EXPECT_THAT(status().admitted, ElementsAre("1", "1^1"));
    boot();
    expect_runs_alone("1^1");
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'3'}}}, {}));
    boot();
    expect_runs_alone("1^2");
    stage({.version = "2"});
    boot();
    expect_runs_alone("2");
    EXPECT_EQ(machine.state.medium.read("EFI/Linux/lethe_2.efi.extra.d/torrc.cred"), Octets{'3'});
}

TEST_P(Updates, AConfigurationThatIsNotHealthyFallsBack) {
    machine.unhealthy = {"1^1"};
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {}));
    boot();
    expect_runs_alone("1");
    EXPECT_THAT(last_failure(), HasSubstr("release 1^1"));
}

TEST_P(Updates, AConfigurationThatACutTookAfterItsBlessingIsReported) {
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {}));
    EXPECT_EQ(last_failure(), "");
    const auto moments = machine.record([&] { boot(); });
    EXPECT_EQ(last_failure(), "");
    const auto blessed =
        std::ranges::find_if(moments, [](const auto& moment) { return moment.state.medium.read("EFI/Linux/lethe_1^1.efi").has_value(); });
    ASSERT_NE(blessed, moments.end());
    BootingMachine after(blessed->state);
    EXPECT_TRUE(after.boot());
    EXPECT_EQ(after.version(), "1");
    EXPECT_THAT(after.service().status().last_failure, HasSubstr("release 1^1"));
}

TEST_P(Updates, WhatIsStagedIsChosenForTheNextBoot) {
    ASSERT_TRUE(machine.service().stage_configuration({{"torrc.cred", {'t', 'w', 'o'}}}, {}));
    machine.state.one_shot.clear();
    EXPECT_TRUE(machine.service().choose_staged());
    EXPECT_EQ(machine.state.one_shot, "lethe_1^1.efi");
    ASSERT_TRUE(machine.service().abort());
    EXPECT_EQ(machine.state.one_shot, "");
    EXPECT_TRUE(machine.service().choose_staged());
    EXPECT_EQ(machine.state.one_shot, "");
}

TEST_P(Updates, ThePlanNamesWhatChanges) {
    const auto row = [](const PlannedUpdate& plan, unsigned pcr) { return *std::ranges::find(plan.pcrs, pcr, &PlannedPcr::pcr); };
    const auto preview = machine.service().preview(machine.built({.version = "2"}), {});
    ASSERT_TRUE(preview) << preview.error().message;
    EXPECT_EQ(preview->running, "1");
    EXPECT_EQ(preview->staged, "2");
    EXPECT_EQ(row(*preview, 4).cause, "UKI");
    EXPECT_EQ(row(*preview, 11).predicted.size(), 2U);
    EXPECT_THAT(row(*preview, 12).cause, IsEmpty());
    EXPECT_EQ(row(*preview, 12).predicted, std::vector{row(*preview, 12).present});
    EXPECT_EQ(row(*preview, 7).required, GetParam());
    EXPECT_EQ(row(*preview, 7).predicted, std::vector{row(*preview, 7).present});
    EXPECT_EQ(row(*preview, 9).cause, "initrd");
    EXPECT_FALSE(row(*preview, 9).required);
    EXPECT_EQ(machine.service().plan().error().kind, ErrorKind::not_found);
    EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d"));

    stage({.version = "2"}, without({"torrc.cred"}));
    const auto plan = machine.service().plan();
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(row(*plan, 12).cause, HasSubstr("is left out"));
    EXPECT_EQ(row(*plan, 4).predicted, row(*preview, 4).predicted);
    machine.boot();
    for (const unsigned pcr : {4U, 12U}) EXPECT_EQ(row(*plan, pcr).predicted, std::vector{machine.before_opening(pcr)}) << pcr;
}

TEST_P(Updates, TenInARowLeaveNothingBehind) {
    const auto names = [&] { return machine.state.medium.names().size(); };
    const std::size_t files = names() + 2;  // the second slots of the policy and of its copy
    for (int version = 2; version <= 11; ++version) {
        stage({.version = std::to_string(version)});
        boot();
        expect_runs_alone(std::to_string(version));
        EXPECT_EQ(names(), files);
        EXPECT_EQ(machine.pcrlock().indices_made, 0U);
        EXPECT_EQ(machine.pcrlock().generated().size(), GetParam() ? 6U : 4U) << testing::PrintToString(machine.pcrlock().generated());
        EXPECT_FALSE(machine.state.note);
        EXPECT_EQ(machine.state.one_shot, "");
    }
}

// The attack that its policy lets pass, until the first change of the policy takes PCR 2 in.
TEST(UpdatesAfterAnEarlierRelease, TakeWhatNobodyHasToSignIntoThePolicy) {
    BootingMachine machine;
    machine.state.secure_boot = false;
    machine.enrolled_by_an_earlier_release = true;
    machine.install();
    machine.adds_a_driver = true;
    EXPECT_TRUE(machine.boot());
    EXPECT_TRUE(machine.opened);
    machine.adds_a_driver = false;
    ASSERT_TRUE(machine.boot());
    ASSERT_TRUE(machine.service().stage(machine.built({.version = "2"}), {}));
    machine.boot_until_it_stays();
    EXPECT_TRUE(machine.opened);
    ASSERT_EQ(machine.version(), "2");
    machine.adds_a_driver = true;
    EXPECT_TRUE(machine.boot());
    EXPECT_FALSE(machine.opened);
}

INSTANTIATE_TEST_SUITE_P(Of, Updates, testing::Bool(), [](const auto& info) { return info.param ? "SecureBoot" : "NoSecureBoot"; });

}  // namespace
}  // namespace lethe
