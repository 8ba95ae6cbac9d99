// Whoever can write the disk changes the policy file, with which systemd-pcrlock would write the policy again.
#include <gmock/gmock.h>

#include "fake_pcrlock.hpp"
#include "pcrlock/policy_in_force.hpp"
#include "pcrlock/predicted_release.hpp"
#include "tpm/policy.hpp"
#include "update_machine.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const ObjectId policy_id{ObjectKind::policy, ""};
const ObjectId copy_id{ObjectKind::policy_copy, ""};

class PolicyFiles : public testing::Test {
protected:
    PolicyFiles() { machine.install(); }

    void stage(const std::string& version) {
        const auto staged = machine.service().stage(built_release({.version = version}), {});
        ASSERT_TRUE(staged) << staged.error().message;
    }
    // One octet of systemd-pcrlock's own PIN, in every slot that holds a policy file.
    void damage_own_pin() {
        int changed = 0;
        for (const char* slot : {"policy.a", "policy.b"}) {
            const auto octets = machine.state.medium.read(slot);
            if (!octets) continue;
            const ObjectVersion version = unframe_object(policy_id, *octets).value();
            std::string json(as_text(version.payload.expose()));
            const auto at = json.find(policy_pin_blob);
            ASSERT_NE(at, json.npos);
            json.replace(at, policy_pin_blob.size(), R"("pinPrivate":"AA4=")");
            put(slot, frame_object(policy_id, version.generation, as_octets(json)));
            ++changed;
        }
        ASSERT_EQ(changed, 2);
    }
    void put(const std::string& file, const Octets& octets) {
        machine.state.medium.write(file, octets);
        machine.state.medium.sync(file);
    }
    void lose(const std::string& stem) {
        for (const std::string& file : {stem + ".a", stem + ".b"})
            if (machine.state.medium.exists(file)) put(file, Octets(64, 0xff));
    }
    void expect_runs_alone(const std::string& version) {
        EXPECT_EQ(machine.version(), version);
        EXPECT_TRUE(machine.committed) << machine.committed.error().message;
        EXPECT_EQ(machine.service().status().policy, PolicyState::running) << machine.service().status().reason;
        EXPECT_THAT(machine.service().status().admitted, ElementsAre(version));
        EXPECT_EQ(machine.vault(), machine.state.vault);
    }
    void expect_shut_out(const std::string& version) {
        machine.put({.version = version}, {{"torrc.cred", {'o', 'n', 'e'}}});
        machine.state.one_shot = "lethe_" + version + ".efi";
        std::ignore = machine.boot();
        EXPECT_EQ(machine.version(), version);
        EXPECT_FALSE(machine.opened) << "the old release opens the vault";
    }
    // The policy file in force has its own PIN again, in the slot from which the next policy is written.
    bool is_whole() { return in_force().json.contains(policy_pin_blob); }
    PolicyFile in_force() {
        return confirmed_policy_file(machine.state.tpm, read_policy_files(machine.store()).value(), policy_index_handle).value();
    }

    BootingMachine machine;
};

TEST_F(PolicyFiles, DamagedBetweenStagingAndTrialDoNotFreezeThePolicy) {
    stage("2");
    damage_own_pin();
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    EXPECT_TRUE(is_whole());
    EXPECT_THAT(machine.service().status().reason, HasSubstr("had been changed"));
    expect_shut_out("1");
}

// Of a disk that refuses to write from the staging on, and of one that was damaged before as well.
TEST_F(PolicyFiles, AreReadyForTheTrialWhateverTheDiskRefuses) {
    for (const bool damaged : {false, true}) {
        SCOPED_TRACE(damaged ? "damaged" : "whole");
        const std::string version = damaged ? "3" : "2";
        stage(version);
        if (damaged) damage_own_pin();
        machine.read_only = {"lethe_" + version + "+3.efi"};
        machine.refuse = [](const std::string& what) -> Result<void> {
            for (const char* verb : {"write ", "remove ", "rename ", "make "})
                if (what.starts_with(verb)) return fail(ErrorKind::io, "the disk refuses: {}", what);
            return {};
        };
        machine.boot_until_it_stays();
        EXPECT_EQ(machine.version(), version);
        EXPECT_FALSE(machine.committed) << "nothing says that the disk refuses to write";
        EXPECT_EQ(machine.service().status().policy, PolicyState::running) << machine.service().status().reason;
        EXPECT_THAT(machine.service().status().admitted, ElementsAre(version));
        EXPECT_THAT(machine.service().status().reason, HasSubstr("the disk refuses"));
        EXPECT_EQ(machine.vault(), machine.state.vault);
        ASSERT_TRUE(machine.boot());
        EXPECT_TRUE(machine.opened) << "the next boot has lost the policy file";

        machine.refuse = [](const std::string&) -> Result<void> { return {}; };
        machine.read_only.clear();
        machine.boot_until_it_stays();
        expect_runs_alone(version);
    }
    expect_shut_out("1");
}

TEST_F(PolicyFiles, DamagedBeforeStagingAreRepairedAndReported) {
    stage("2");
    ASSERT_TRUE(machine.service().abort());
    damage_own_pin();
    machine.service().settle();
    EXPECT_TRUE(is_whole());
    EXPECT_THAT(machine.service().status().reason, HasSubstr("put back from its encrypted copy"));
    stage("2");
    machine.boot_until_it_stays();
    expect_runs_alone("2");
}

TEST_F(PolicyFiles, DamagedTogetherWithTheirCopyDoNotFreezeThePolicy) {
    stage("2");
    damage_own_pin();
    lose("policy-copy");
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    expect_shut_out("1");
}

TEST_F(PolicyFiles, LostInTheRunningSystemComeBackFromTheirCopy) {
    stage("2");
    lose("policy");
    machine.service().settle();
    EXPECT_THAT(machine.service().status().reason, HasSubstr("put back from its encrypted copy"));
    machine.boot_until_it_stays();
    expect_runs_alone("2");
}

TEST_F(PolicyFiles, LostWithTheirCopyAreMadeAgainFromTheTpm) {
    lose("policy");
    lose("policy-copy");
    machine.service().settle();
    EXPECT_THAT(machine.service().status().reason,
                AllOf(HasSubstr("was lost with its copy"), HasSubstr("without PCRs that `--pcr` had added")));
    EXPECT_EQ(machine.service().status().policy, PolicyState::running);
    ASSERT_TRUE(machine.boot());
    EXPECT_TRUE(machine.opened);
    stage("2");
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    expect_shut_out("1");
}

TEST_F(PolicyFiles, HaveTheirCopyMadeAgainWhenItIsLost) {
    const Store store = machine.store();
    const PolicyFile file = in_force();
    lose("policy-copy");
    machine.service().settle();
    const auto copy = store.read(machine.policy_keys().value().copy, copy_id);
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ(as_text(copy->payload.expose()), file.json) << "the lost copy is made again from the file in force";
}

TEST_F(PolicyFiles, OfAnEarlierReleaseGoOnWithTheirOwnPin) {
    machine.state.index_pin.clear();
    ASSERT_TRUE(machine.boot());
    lose("policy-copy");
    stage("2");
    machine.boot_until_it_stays();
    expect_runs_alone("2");
    expect_shut_out("1");
}

// What is left then is a new vault key, with a policy of its own (identityd_anchor_test has the other half).
TEST_F(PolicyFiles, OfAnEarlierReleaseThatAreDamagedGiveWayToThoseOfANewVaultKey) {
    machine.state.index_pin.clear();
    ASSERT_TRUE(machine.boot());
    stage("2");
    damage_own_pin();
    lose("policy-copy");  // earlier releases have none
    machine.boot_until_it_stays();
    EXPECT_EQ(machine.version(), "2");
    ASSERT_FALSE(machine.committed) << "nothing was damaged";
    ASSERT_EQ(machine.service().status().policy, PolicyState::wide);
    const auto wide = in_force();

    const auto made = machine.service().make_policy_index(VaultKey::random(second_handles).policy_keys());
    ASSERT_TRUE(made) << made.error().message;
    const auto file = parse_policy_file(*made).value();
    EXPECT_TRUE(admits_one_release(file.policy) && may_succeed(file.policy, wide.policy));
    EXPECT_TRUE(is_in_force(file.policy, machine.state.tpm.nv_read(second_handles.policy).value()).value());
    EXPECT_EQ(in_force().json, wide.json) << "the policy in force was touched";
}

TEST_F(PolicyFiles, OfANewVaultKeyAreNotMadeInATrial) {
    stage("2");
    machine.unhealthy = {"2"};
    std::ignore = machine.boot();
    ASSERT_EQ(machine.version(), "2");
    const auto refused = machine.service().make_policy_index(VaultKey::random(second_handles).policy_keys());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state) << refused.error().message;
}

// A machine that was enrolled without Secure Boot, on which somebody has turned it on since.
TEST(PolicyWithoutPcr7, GetsItInABootWithSecureBoot) {
    BootingMachine machine;
    machine.enrolled_without_secure_boot = true;
    machine.install();
    ASSERT_TRUE(machine.boot());
    ASSERT_TRUE(machine.committed) << machine.committed.error().message;
    const auto holds_it = [](const PolicyFile& file) { return std::ranges::contains(file.policy, 7U, &AdmittedPcr::pcr); };
    const auto files = read_policy_files(machine.store()).value();
    EXPECT_TRUE(holds_it(confirmed_policy_file(machine.state.tpm, files, policy_index_handle).value()));
    EXPECT_FALSE(std::ranges::all_of(files, holds_it)) << "the one before did not hold it";
    ASSERT_TRUE(machine.boot());
    EXPECT_TRUE(machine.opened);
}

TEST_F(PolicyFiles, NobodyChangesThePolicyWithAShutVault) {
    machine.put({.version = "0"}, {{"torrc.cred", {'o', 'n', 'e'}}});
    machine.state.one_shot = "lethe_0.efi";
    ASSERT_TRUE(machine.boot());
    ASSERT_FALSE(machine.opened);
    const auto staged = machine.service().stage(built_release({.version = "2"}), {});
    ASSERT_FALSE(staged);
    EXPECT_EQ(staged.error().kind, ErrorKind::policy_mismatch) << staged.error().message;
}

// What a new vault key needs (vault/rekey.hpp).
TEST_F(PolicyFiles, OfTheIndexOfANewVaultKeyAdmitWhatIsInForceAndNoUpdate) {
    const VaultKey next = VaultKey::random(second_handles);
    const auto before = in_force();
    const auto made = machine.service().make_policy_index(next.policy_keys());
    ASSERT_TRUE(made) << made.error().message;
    const auto file = parse_policy_file(*made).value();
    EXPECT_EQ(file.nv_handle, second_handles.policy);
    EXPECT_TRUE(admit_the_same(file.policy, before.policy).value());
    EXPECT_TRUE(is_in_force(file.policy, machine.state.tpm.nv_read(second_handles.policy).value()).value());
    EXPECT_EQ(in_force().json, before.json) << "the policy in force was touched";

    const auto twice = machine.service().make_policy_index(next.policy_keys());
    EXPECT_EQ(twice.error().kind, ErrorKind::wrong_state) << "it is there already";
    ASSERT_TRUE(machine.state.tpm.nv_undefine(second_handles.policy));
    EXPECT_EQ(machine.service().make_policy_index(VaultKey::random(first_handles).policy_keys()).error().kind, ErrorKind::invalid_argument);
    stage("2");
    const auto refused = machine.service().make_policy_index(next.policy_keys());
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state) << refused.error().message;
    EXPECT_FALSE(machine.state.tpm.nv_index(second_handles.policy));
}

}  // namespace
}  // namespace lethe
