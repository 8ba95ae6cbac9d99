// What is not staged: refused before the next boot could notice, with everything as it was.
#include <gmock/gmock.h>

#include <algorithm>

#include "built_pe.hpp"
#include "measure/uki.hpp"
#include "pcrlock/predicted_release.hpp"
#include "releases_machine.hpp"
#include "update_machine.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

EspFiles on_esp(const BootingMachine& machine) {
    EspFiles files = files_of(machine.state.medium);
    std::erase_if(files, [](const auto& file) { return !file.first.starts_with("EFI/"); });
    return files;
}

class RefusedUpdates : public testing::Test {
protected:
    RefusedUpdates() { machine.install(); }

    void expect_untouched(const EspFiles& before) {
        EXPECT_EQ(on_esp(machine), before);
        EXPECT_EQ(machine.vault(), machine.state.vault);
        machine.service().settle();
        EXPECT_EQ(machine.service().status().policy, PolicyState::running);
        EXPECT_THAT(machine.service().status().admitted, ElementsAre(machine.version()));
        EXPECT_EQ(machine.state.one_shot, "");
    }
    template <class Value>
    static void expect_error(const Result<Value>& result, ErrorKind kind, const std::string& words) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind, kind) << result.error().message;
        EXPECT_THAT(result.error().message, HasSubstr(words));
    }
    void expect_refused(OctetView image, ErrorKind kind, const std::string& words, const StageOptions& options = {}) {
        const EspFiles before = on_esp(machine);
        expect_error(machine.service().stage(image, options), kind, words);
        expect_untouched(before);
    }
    void expect_refused(const ReleaseSpec& spec, ErrorKind kind, const std::string& words, const StageOptions& options = {}) {
        expect_error(machine.service().preview(built_release(spec), options), kind, words);
        expect_refused(built_release(spec), kind, words, options);
    }
    void expect_taken(const ReleaseSpec& spec, const StageOptions& options = {}) {
        const auto staged = machine.service().stage(built_release(spec), options);
        EXPECT_TRUE(staged) << staged.error().message;
    }

    BootingMachine machine;
};

TEST_F(RefusedUpdates, AnOlderRelease) {
    expect_refused({.version = "0.9"}, ErrorKind::rollback, "--allow-downgrade");
    expect_refused({.version = "1~rc1"}, ErrorKind::rollback, "older than 1");
    expect_taken({.version = "0.9"}, downgrading());
}

TEST_F(RefusedUpdates, TheReleaseThatRuns) { expect_refused({.version = "1"}, ErrorKind::already_exists, "runs already"); }

TEST_F(RefusedUpdates, AReleaseOfSomebodyElse) {
    expect_refused({.version = "2", .signer = "stranger"}, ErrorKind::policy_mismatch, "nobody whom this machine trusts");
}

TEST_F(RefusedUpdates, AReleaseWithoutASignature) {
    expect_refused({.version = "2", .signer = ""}, ErrorKind::policy_mismatch, "not signed");
}

TEST_F(RefusedUpdates, AReleaseThatWasChanged) {
    Octets changed = built_release({.version = "2"});
    changed[2000] ^= 1;
    expect_refused(changed, ErrorKind::corrupt, "changed after it was signed");
}

TEST_F(RefusedUpdates, WhatIsNoRelease) {
    expect_refused(octets_of("junk"), ErrorKind::corrupt, "not a release of Lethe");
    expect_refused(built_loader(), ErrorKind::corrupt, "not a release of Lethe");
}

TEST_F(RefusedUpdates, ADebugReleaseInProduction) {
    expect_refused({.version = "2", .profile = "debug"}, ErrorKind::policy_mismatch, "lets people in");
}

TEST_F(RefusedUpdates, AReleaseWithAnotherStub) {
    expect_refused({.version = "2", .stub = "258~rc1"}, ErrorKind::policy_mismatch, "systemd-stub 258~rc1");
    expect_taken({.version = "2", .stub = "257.14"});
}

TEST_F(RefusedUpdates, AnotherSignerWithSecureBoot) {
    expect_refused({.version = "2", .signer = "another"}, ErrorKind::policy_mismatch, "PCR 7");
    BootingMachine without;
    without.state.secure_boot = false;
    without.install();
    EXPECT_TRUE(without.service().stage(without.built({.version = "2", .signer = "another"}), {}));
}

// Its own health check would refuse it at each of its boots.
TEST_F(RefusedUpdates, AProductionReleaseWithoutSecureBoot) {
    machine.state.secure_boot = false;
    expect_refused({.version = "2"}, ErrorKind::wrong_state, "without Secure Boot");
    BootingMachine laboratory;
    laboratory.state.secure_boot = false;
    laboratory.install();
    for (const char* profile : {"production", "other", ""})
        expect_error(laboratory.service().stage(built_release({.version = "2", .profile = profile}), {}), ErrorKind::wrong_state,
                     "without Secure Boot");
    EXPECT_TRUE(laboratory.service().stage(built_release({.version = "2", .profile = "debug"}), {}));
}

TEST_F(RefusedUpdates, AnotherConfigurationOfAProductionReleaseWithoutSecureBoot) {
    machine.state.secure_boot = false;
    const EspFiles before = on_esp(machine);
    expect_error(machine.service().stage_configuration({{"torrc.cred", {2}}}, {}), ErrorKind::wrong_state, "without Secure Boot");
    EXPECT_EQ(on_esp(machine), before);
}

Octets records_of(const ReleaseSpec& spec) {
    constexpr std::array banks{Bank::sha256};
    BootFiles files{.uki = parse_pe(built_release(spec)).value()};
    auto events = predict_boot(files, {.secure_boot = true}, banks).value();
    std::ranges::move(predict_phases("ready", banks).value(), std::back_inserter(events.release));
    return octets_of(encode_component(release_records(events).value()));
}

TEST_F(RefusedUpdates, AReleaseThatMeasuresSomethingElseThanItSays) {
    expect_refused({.version = "2"}, ErrorKind::policy_mismatch, "measures something else into PCR 4",
                   with_records(records_of({.version = "3"})));
    expect_refused({.version = "2"}, ErrorKind::corrupt, "records", with_records(octets_of("junk")));
    expect_taken({.version = "2"}, with_records(records_of({.version = "2"})));
}

TEST_F(RefusedUpdates, AFileThatTheStubDoesNotTake) {
    expect_refused({.version = "2"}, ErrorKind::invalid_argument, "readme", with_beside({{"readme.txt", {1}}}));
    expect_refused({.version = "2"}, ErrorKind::invalid_argument, "nothing to drop", without({"b.cred"}));
}

TEST_F(RefusedUpdates, AReleaseForWhichThereIsNoRoom) {
    machine.state.medium.room = machine.state.medium.used() + 4096;
    expect_refused(built_release({.version = "2"}), ErrorKind::io, "octets more are needed");
    machine.state.medium.room = 1 << 20;
    expect_taken({.version = "2"});
}

TEST_F(RefusedUpdates, AReleaseBesideOneThatIsStaged) {
    expect_taken({.version = "2"});
    expect_error(machine.service().stage(built_release({.version = "3"}), {}), ErrorKind::already_exists, "release 2 is staged");
    expect_error(machine.service().stage_configuration({{"torrc.cred", {2}}}, {}), ErrorKind::already_exists, "release 2 is staged");
    ASSERT_TRUE(machine.service().status().staged);
    EXPECT_EQ(machine.service().status().staged->name.version, "2");
}

TEST_F(RefusedUpdates, AConfigurationThatChangesNothing) {
    const EspFiles before = on_esp(machine);
    const BesideFiles same{{"torrc.cred", {'o', 'n', 'e'}}};
    expect_error(machine.service().stage_configuration(same, {}), ErrorKind::invalid_argument, "nothing would change");
    expect_error(machine.service().stage_configuration({}, {"b.cred"}), ErrorKind::invalid_argument, "nothing to drop");
    expect_error(machine.service().stage_configuration({{"../x.cred", {1}}}, {}), ErrorKind::invalid_argument, "name of a file");
    expect_untouched(before);
    EXPECT_TRUE(machine.service().stage_configuration({}, {"torrc.cred"}));
}

// The separator's event belongs to nobody then, and systemd-pcrlock leaves PCR 4 out without a word.
TEST_F(RefusedUpdates, AReleaseWhosePolicyWouldLoseAPcr) {
    const auto kept = machine.pcrlock().components.extract("500-separator");
    const EspFiles before = on_esp(machine);
    const auto index = machine.state.tpm.nv_read(policy_index_handle).value();
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::policy_mismatch, "PCR 4 cannot be locked");
    EXPECT_EQ(machine.state.tpm.nv_read(policy_index_handle), index);
    machine.pcrlock().components.insert({kept.key(), kept.mapped()});
    expect_untouched(before);
    expect_taken({.version = "2"});
}

TEST_F(RefusedUpdates, AReleaseThatIsNotProvedToOpenTheVault) {
    const auto index = machine.state.tpm.nv_read(policy_index_handle).value();
    machine.pcrlock().predicts_otherwise = [](PcrPolicy& policy) {
        const auto pcr = std::ranges::find(policy, 11U, &AdmittedPcr::pcr);
        if (pcr->values.size() > 2) pcr->values.back()[0] ^= 1;
    };
    expect_refused(built_release({.version = "2"}), ErrorKind::policy_mismatch, "would not open the vault");
    EXPECT_EQ(machine.state.tpm.nv_read(policy_index_handle), index);
}

TEST_F(RefusedUpdates, APolicyThatIsMadeOtherwiseThanItWasPredicted) {
    machine.pcrlock().makes_otherwise = [](PcrPolicy& policy) {
        const auto pcr = std::ranges::find(policy, 11U, &AdmittedPcr::pcr);
        if (pcr->values.size() > 2) pcr->values.back()[0] ^= 1;
    };
    expect_refused(built_release({.version = "2"}), ErrorKind::policy_mismatch, "another policy than it predicted");
    EXPECT_TRUE(machine.boot());
    EXPECT_TRUE(machine.opened);
}

// No file is known for what the index holds, and it cannot be written again. It is said, and nothing else is begun.
TEST_F(RefusedUpdates, AnIndexThatHoldsAnotherDigest) {
    machine.pcrlock().lies_about_nv = true;
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::policy_mismatch, "does not hold the digest");
    EXPECT_EQ(machine.service().status().policy, PolicyState::wide);
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::policy_mismatch, "cannot be written again");
    EXPECT_THAT(machine.images(), ElementsAre("lethe_1.efi", "lethe_1.efi.extra.d"));
}

TEST_F(RefusedUpdates, AMachineThatIsNotEnrolled) {
    machine.state.medium.remove("vault.a");
    machine.state.medium.sync_names();
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::wrong_state, "lethectl enroll");
    expect_error(machine.service().abort(), ErrorKind::wrong_state, "lethectl enroll");
    EXPECT_EQ(machine.service().status().policy, PolicyState::not_enrolled);
    EXPECT_TRUE(machine.service().commit()) << "there is nothing to keep";
}

TEST_F(RefusedUpdates, AMachineWithoutAnEsp) {
    machine.refuse = [](const std::string& verb) -> Result<void> {
        if (verb == "open the ESP") return fail(ErrorKind::not_found, "this machine boots over the network");
        return {};
    };
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::not_found, "over the network");
    EXPECT_EQ(machine.service().status().policy, PolicyState::none);
    EXPECT_TRUE(machine.service().commit()) << "there is nothing to keep";
}

TEST_F(RefusedUpdates, ATpmThatDoesNotAnswer) {
    machine.state.tpm.fail_with(Error{ErrorKind::tpm_unavailable, "the TPM does not answer"});
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::tpm_unavailable, "does not answer");
    expect_error(machine.service().commit(), ErrorKind::tpm_unavailable, "does not answer");
    EXPECT_EQ(machine.service().status().policy, PolicyState::unknown);
    machine.state.tpm.fail_with(std::nullopt);
    expect_taken({.version = "2"});
}

// The firmware tried another boot option first: another event in PCR 4, another boot.
TEST_F(RefusedUpdates, ABootThatThePolicyDoesNotAdmit) {
    machine.returns_from_an_entry = true;
    EXPECT_TRUE(machine.boot());
    EXPECT_FALSE(machine.opened);
    expect_error(machine.service().stage(built_release({.version = "2"}), {}), ErrorKind::policy_mismatch, "does not admit this boot");
    machine.returns_from_an_entry = false;
    EXPECT_TRUE(machine.boot());
    EXPECT_TRUE(machine.opened);
    expect_taken({.version = "2"});
}

}  // namespace
}  // namespace lethe
