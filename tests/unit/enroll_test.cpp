#include "enroll/enroll.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.hpp"
#include "enroll/restore.hpp"
#include "fake_pcrlock.hpp"
#include "pcrlock/opened_boot.hpp"
#include "temporary_folder.hpp"
#include "vault/anchor.hpp"
#include "vault/roster.hpp"
#include "vault/vault.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;

struct PowerCut {};

// The TPM with a place before each verb where a test can step in.
class WatchedTpm : public Tpm {
public:
    WatchedTpm(FakeTpm& tpm, std::function<Result<void>()>& step) : tpm_(tpm), step_(step) {}
    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override {
        return step_().and_then([&] { return tpm_.read_pcrs(pcrs); });
    }
    Result<TpmReference> storage_root() override {
        return step_().and_then([&] { return tpm_.storage_root(); });
    }
    Result<TpmReference> nv_index(std::uint32_t handle) override {
        return step_().and_then([&] { return tpm_.nv_index(handle); });
    }
    Result<NvArea> nv_area(std::uint32_t handle) override {
        return step_().and_then([&] { return tpm_.nv_area(handle); });
    }
    Result<NvLimits> nv_limits() override {
        return step_().and_then([&] { return tpm_.nv_limits(); });
    }
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override {
        return step_().and_then([&] { return tpm_.nv_define(handle, octets); });
    }
    Result<void> nv_undefine(std::uint32_t handle) override {
        return step_().and_then([&] { return tpm_.nv_undefine(handle); });
    }
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override {
        return step_().and_then([&] { return tpm_.nv_write(handle, offset, octets); });
    }
    Result<Octets> nv_read(std::uint32_t handle) override {
        return step_().and_then([&] { return tpm_.nv_read(handle); });
    }
    Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) override {
        return step_().and_then([&] { return tpm_.nv_read(handle, offset, count); });
    }
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override {
        return step_().and_then([&] { return tpm_.counter_define(handle, authorisation); });
    }
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override {
        return step_().and_then([&] { return tpm_.counter_open(handle, authorisation); });
    }
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override {
        return step_().and_then([&] { return tpm_.seal(root, secret, policy); });
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return step_().and_then([&] { return tpm_.unseal(root, index, object, policy); });
    }

private:
    FakeTpm& tpm_;
    std::function<Result<void>()>& step_;
};

// A machine with nothing on it. `step` is called before each thing that enrolment does.
struct Machine {
    TemporaryFolder folder;
    Store store = *Store::open(folder.path());
    FakeTpm tpm;
    FakePcrlock pcrlock{tpm};
    std::function<Result<void>()> step = []() -> Result<void> { return {}; };
    WatchedTpm watched{tpm, step};
    std::vector<std::string> lines;
    EnrolmentRequest request{.discard = false, .extra_pcrs = {}, .relays = {"alpha", "beta"}};

    Machine() {
        for (unsigned pcr : {0, 4, 7, 11}) tpm.extend(pcr, digest_of(static_cast<std::uint8_t>(pcr)));
        pcrlock.refuse = [this](std::string_view) { return step(); };
    }
    Result<Enrolment> run() {
        const auto progress = [this](std::string_view line) {
            lines.emplace_back(line);
            (void)step();  // power can go here as well
        };
        return enroll(
            {watched, store, false, pcrlock,
             [this]() -> Result<BootedImage> { return BootedImage{true, "/efi/EFI/Linux/lethe_1+3.efi", "/efi/EFI/BOOT/BOOTX64.EFI"}; },
             progress},
            request);
    }
    bool has_index() { return tpm.nv_index(policy_index_handle).has_value(); }
    std::vector<std::string> files() {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path())) names.push_back(entry.path().filename());
        return names;
    }
    void put(const std::string& file, std::string_view content = "torn") { std::ofstream(folder / file) << content; }
    Result<VaultKey> open() {
        std::vector<PcrPolicy> policies;
        for (const PolicyFile& file : read_policy_files(store).value_or(std::vector<PolicyFile>())) policies.push_back(file.policy);
        return open_vault(tpm, store, policies);
    }
    void expect_enrolled() {
        const auto key = open();
        ASSERT_TRUE(key) << key.error().message;
        const auto roster = read_roster(store, key->kind_key(ObjectKind::relays));
        ASSERT_TRUE(roster) << roster.error().message;
        EXPECT_EQ(*roster, (Roster{{"alpha", {RelayStage::pending}}, {"beta", {RelayStage::pending}}}));
        EXPECT_FALSE(*store.exists({ObjectKind::enrolling, ""}));
        EXPECT_FALSE(tpm.nv_index(enrolling_index_handle));
        Anchor anchor(store, false, tpm, *key);
        const auto anchored = anchor.open({});
        EXPECT_TRUE(anchored) << anchored.error().message;
        EXPECT_FALSE(anchor.standing().taken_over);
        EXPECT_EQ(anchor.standing().generation, anchor.standing().counted);
    }
    void expect_untouched() {
        EXPECT_FALSE(has_index());
        for (const std::uint32_t handle : {anchor_index_handle, enrolling_index_handle, counter_index_handle})
            EXPECT_FALSE(tpm.nv_index(handle)) << handle;
        EXPECT_THAT(files(), testing::IsEmpty());
        EXPECT_FALSE(pcrlock.file_);
        EXPECT_TRUE(pcrlock.components_.empty());
    }
};

TEST(Enroll, MakesAVaultThatOpensInThisBootAndListsTheRelaysAsPending) {
    Machine machine;
    const auto enrolment = machine.run();
    ASSERT_TRUE(enrolment) << enrolment.error().message;
    EXPECT_EQ(*enrolment, Enrolment::made);
    machine.expect_enrolled();
    EXPECT_THAT(machine.lines, testing::Contains(HasSubstr("locking PCRs 4 7 11 12 13 ")));
}

TEST(Enroll, TheVaultStaysShutInAnotherBoot) {
    Machine machine;
    ASSERT_TRUE(machine.run());
    machine.tpm.extend(12, digest_of(0xcc));
    EXPECT_EQ(machine.open().error().kind, ErrorKind::policy_mismatch);
}

TEST(Enroll, LocksTheLoaderTheUkiAndSecureBoot) {
    Machine machine;
    ASSERT_TRUE(machine.run());
    std::vector<std::string> names;
    for (const auto& [name, records] : machine.pcrlock.components_) names.push_back(name);
    // Nothing is beside this UKI: PCR 12 is empty until the vault is opened.
    EXPECT_THAT(names, testing::ElementsAre("100-lethe-opened/1-recorded", "100-lethe-opened/2-not", "101-lethe-opening/1-recorded",
                                            "101-lethe-opening/2-not", "240-secureboot-policy/generated",
                                            "620-secureboot-authority/generated", "630-lethe-loader/generated", "650-lethe-uki/1-lethe_1"));
    EXPECT_EQ(machine.pcrlock.components_["650-lethe-uki/1-lethe_1"], machine.pcrlock.uki_);
}

TEST(Enroll, OneWordClosesABootWithSomethingBesideItsUki) {
    Machine machine;
    machine.pcrlock.log_.events.push_back(
        {.pcr = 12, .digest = digest_of(0xc1), .firmware = true, .type = "", .component = "", .description = "a credential"});
    ASSERT_TRUE(machine.run());
    EXPECT_TRUE(machine.pcrlock.components_.contains("100-lethe-opened/1-recorded"));
    EXPECT_FALSE(machine.pcrlock.components_.contains("101-lethe-opening/1-recorded"));
}

TEST(Enroll, InABootThatHasOpenedAVaultIsRefusedBeforeAnythingIsTouched) {
    Machine machine;
    machine.pcrlock.log_.events.push_back({.pcr = 12,
                                           .digest = sha256(as_octets(opened_word)),
                                           .firmware = false,
                                           .type = "",
                                           .component = "",
                                           .description = std::string(opened_word)});
    const auto refused = machine.run();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("Reboot"));
    EXPECT_TRUE(machine.pcrlock.components_.empty());
    EXPECT_FALSE(machine.tpm.nv_index(policy_index_handle));
}

TEST(Enroll, AnAddedPcrIsLocked) {
    Machine machine;
    machine.request.extra_pcrs = {0};
    ASSERT_TRUE(machine.run());
    machine.tpm.extend(0, digest_of(1));
    EXPECT_EQ(machine.open().error().kind, ErrorKind::policy_mismatch);
}

TEST(Enroll, AMachineThatIsEnrolledIsLeftAsItIs) {
    Machine machine;
    ASSERT_TRUE(machine.run());
    const auto index = machine.tpm.nv_index(policy_index_handle)->name;
    machine.request.discard = true;
    EXPECT_EQ(*machine.run(), Enrolment::there_already);
    EXPECT_EQ(machine.tpm.nv_index(policy_index_handle)->name, index);
    machine.expect_enrolled();
}

TEST(Enroll, ABadRelayNameIsRefusedBeforeAnythingIsTouched) {
    Machine machine;
    machine.request.relays = {"Bad Name"};
    EXPECT_EQ(machine.run().error().kind, ErrorKind::invalid_argument);
    machine.expect_untouched();
}

TEST(Enroll, APcrThatPcrlockLeavesOutFailsTheGateAndLeavesNothing) {
    for (unsigned pcr : {4, 7, 11, 12, 13}) {
        Machine machine;
        machine.pcrlock.left_out = {pcr};
        machine.pcrlock.log_.pcrs[pcr].all_events_matched = false;
        machine.pcrlock.log_.events.push_back(
            {.pcr = pcr, .digest = digest_of(0xdd), .firmware = false, .type = "strange", .component = "", .description = ""});
        const auto enrolment = machine.run();
        EXPECT_EQ(enrolment.error().kind, ErrorKind::policy_mismatch);
        EXPECT_THAT(enrolment.error().message, testing::AllOf(HasSubstr(std::format("PCR {} ", pcr)), HasSubstr("strange")));
        machine.expect_untouched();
    }
}

TEST(Enroll, APcrThatIsLeftOutOnlyWhenThePolicyIsMadeFailsTheSecondGate) {
    Machine machine;
    machine.pcrlock.before = [&](std::string_view verb) {
        if (verb == "make-policy") machine.pcrlock.left_out = {12};
    };
    EXPECT_EQ(machine.run().error().kind, ErrorKind::policy_mismatch);
    machine.expect_untouched();
}

TEST(Enroll, AnIndexThatHoldsAnotherDigestIsRefused) {
    Machine machine;
    machine.pcrlock.lies_about_nv = true;
    EXPECT_EQ(machine.run().error().kind, ErrorKind::policy_mismatch);
    machine.expect_untouched();
}

TEST(Enroll, AUkiThatWasNotBootedIsRefused) {
    Machine machine;
    machine.pcrlock.uki_[0].digest = digest_of(0xee);
    const auto enrolment = machine.run();
    EXPECT_EQ(enrolment.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(enrolment.error().message, HasSubstr("/efi/EFI/Linux/lethe_1+3.efi"));
    machine.expect_untouched();
}

// How many steps an enrolment has; a step that fails or is the last before a power cut is one of these.
int count_steps() {
    Machine machine;
    int steps = 0;
    machine.step = [&]() -> Result<void> { return ++steps, Result<void>(); };
    EXPECT_TRUE(machine.run());
    return steps;
}

TEST(Enroll, AFailureAtAnyStepLeavesNeitherIndexNorObjects) {
    const int steps = count_steps();
    ASSERT_GT(steps, 20);
    for (int failing = 1; failing <= steps; ++failing) {
        Machine machine;
        int at = 0;
        bool failed = false;
        machine.step = [&]() -> Result<void> {
            if (++at != failing) return {};
            failed = true;
            return fail(ErrorKind::tpm_unavailable, "no answer");
        };
        const auto enrolment = machine.run();
        ASSERT_TRUE(failed);
        if (enrolment) continue;  // nobody asks a progress line, or the firmware's component, for success
        SCOPED_TRACE(std::format("step {}: {}", failing, enrolment.error().message));
        machine.expect_untouched();
        machine.step = []() -> Result<void> { return {}; };
        EXPECT_TRUE(machine.run());
        machine.expect_enrolled();
    }
}

TEST(Enroll, WhereUndoingFailsTooTheNextEnrolmentClearsUp) {
    const int steps = count_steps();
    for (int failing = 1; failing <= steps; ++failing) {
        Machine machine;
        int at = 0;
        machine.step = [&]() -> Result<void> {
            if (++at < failing) return {};
            return fail(ErrorKind::tpm_unavailable, "no answer from now on");
        };
        const auto enrolment = machine.run();
        machine.step = []() -> Result<void> { return {}; };
        SCOPED_TRACE(std::format("step {}", failing));
        EXPECT_TRUE(machine.run());
        machine.expect_enrolled();
    }
}

TEST(Enroll, AfterAPowerCutAtAnyStepTheNextEnrolmentSucceeds) {
    const int steps = count_steps();
    for (int cut = 1; cut <= steps; ++cut) {
        Machine machine;
        int at = 0;
        machine.step = [&]() -> Result<void> {
            if (++at == cut) throw PowerCut();
            return {};
        };
        EXPECT_THROW((void)machine.run(), PowerCut);
        machine.step = []() -> Result<void> { return {}; };
        machine.pcrlock.file_.reset();  // /var is a tmpfs
        SCOPED_TRACE(std::format("cut at step {}", cut));
        const auto enrolment = machine.run();
        ASSERT_TRUE(enrolment) << enrolment.error().message;
        machine.expect_enrolled();
    }
}

TEST(Enroll, AfterTwoPowerCutsTheNextEnrolmentSucceeds) {
    for (int cut = 1; cut <= 24; ++cut) {
        Machine machine;
        int at = 0;
        machine.step = [&]() -> Result<void> {
            if (++at == cut || at == 2 * cut) throw PowerCut();
            return {};
        };
        for (int run = 0; run < 2; ++run) {
            try {
                (void)machine.run();
            } catch (PowerCut) {
            }
        }
        machine.step = []() -> Result<void> { return {}; };
        SCOPED_TRACE(std::format("cuts at steps {} and {}", cut, 2 * cut));
        ASSERT_TRUE(machine.run());
        machine.expect_enrolled();
    }
}

TEST(Enroll, AVaultWhoseFirstWriteWasCutIsMadeAnew) {
    Machine machine;
    machine.put("enrolling.a");
    machine.put("vault.a");
    machine.put("relays.a");
    machine.put("relays.b");
    machine.tpm.define_index(policy_index_handle);
    ASSERT_TRUE(set_mark(machine.tpm, UnderWay::enrolment));
    ASSERT_TRUE(machine.run());
    machine.expect_enrolled();
}

// What is in the TPM, by name.
std::map<std::uint32_t, Octets> indices_of(FakeTpm& tpm) {
    std::map<std::uint32_t, Octets> names;
    for (const std::uint32_t handle : {policy_index_handle, counter_index_handle, anchor_index_handle, enrolling_index_handle})
        if (const auto index = tpm.nv_index(handle)) names[handle] = index->name;
    return names;
}

TEST(Enroll, AnEnrollingThatSomebodyPutIntoTheStoreUndoesNothing) {
    for (const bool has_anchor : {true, false}) {
        Machine machine;
        ASSERT_TRUE(machine.run());
        if (!has_anchor) {
            EXPECT_TRUE(forget_anchor(machine.tpm));
        }  // as an earlier release leaves it
        const auto files = machine.files();
        for (const auto& file : files)
            if (file.starts_with("vault")) std::filesystem::remove(machine.folder / file);
        const auto indices = indices_of(machine.tpm);
        machine.put("enrolling.a", "");
        const auto enrolment = machine.run();
        ASSERT_FALSE(enrolment);
        EXPECT_EQ(enrolment.error().kind, ErrorKind::wrong_state);
        EXPECT_THAT(enrolment.error().message, HasSubstr("the store is lost"));
        EXPECT_EQ(indices_of(machine.tpm), indices);
        for (const auto& file : files) {
            if (file.starts_with("vault")) continue;
            EXPECT_TRUE(std::filesystem::exists(machine.folder / file)) << file;
        }
    }
}

TEST(Enroll, TheWholeStoreGoneIsNotMadeAnew) {
    Machine machine;
    ASSERT_TRUE(machine.run());
    for (const auto& file : machine.files()) std::filesystem::remove(machine.folder / file);
    ASSERT_TRUE(machine.tpm.nv_undefine(policy_index_handle));  // the anchor is enough
    EXPECT_THAT(machine.run().error().message, HasSubstr("the store is lost"));
    EXPECT_THAT(machine.files(), testing::IsEmpty());
    machine.request.discard = true;
    ASSERT_TRUE(machine.run());
    machine.expect_enrolled();
}

TEST(Enroll, WhatAnEarlierReleaseWasCutInCountsWhereTheTpmHasNothingToLose) {
    Machine machine;
    machine.put("enrolling.a");
    machine.put("policy.a");
    ASSERT_TRUE(machine.run());
    machine.expect_enrolled();
}

TEST(Enroll, AMarkWhoseWriteWasCutSaysNothing) {
    for (const std::uint8_t octet : {0x00, 0xff}) {
        Machine machine;
        ASSERT_TRUE(machine.tpm.nv_define(enrolling_index_handle, 1));
        EXPECT_EQ(read_mark(machine.tpm), UnderWay::nothing);
        ASSERT_TRUE(machine.tpm.nv_write(enrolling_index_handle, 0, std::array{octet}));
        machine.tpm.define_index(policy_index_handle);
        EXPECT_THAT(machine.run().error().message, HasSubstr("the store is lost"));
        ASSERT_TRUE(machine.tpm.nv_undefine(policy_index_handle));
        ASSERT_TRUE(machine.run());
        machine.expect_enrolled();
    }
}

TEST(Enroll, AnIndexOfSomebodyElseInTheMarksPlaceIsLeftAlone) {
    Machine machine;
    ASSERT_TRUE(machine.tpm.nv_define(enrolling_index_handle, 8));
    EXPECT_THAT(machine.run().error().message, HasSubstr("0x1800107"));
    EXPECT_TRUE(machine.tpm.nv_index(enrolling_index_handle));
    EXPECT_FALSE(machine.has_index());
}

TEST(Enroll, AVaultThatWasStoredCountsEvenIfTheMarkIsStillThere) {
    Machine machine;
    ASSERT_TRUE(machine.run());
    ASSERT_TRUE(machine.store.write_framed({ObjectKind::enrolling, ""}, {}));
    EXPECT_EQ(*machine.run(), Enrolment::there_already);
    machine.expect_enrolled();
}

TEST(Enroll, ADamagedVaultIsNotReplaced) {
    Machine machine;
    machine.put("vault.a");
    EXPECT_EQ(*machine.run(), Enrolment::there_already);
    EXPECT_FALSE(machine.has_index());
}

TEST(Enroll, TheIndexOfAVaultThatTheStoreDoesNotHaveIsNotTouched) {
    Machine machine;
    machine.tpm.authorize(policy_index_handle, {{4, {digest_of(4)}}});
    const auto index = machine.tpm.nv_index(policy_index_handle)->name;
    const auto enrolment = machine.run();
    EXPECT_EQ(enrolment.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(enrolment.error().message, testing::AllOf(HasSubstr("Put the store back"), HasSubstr("--discard")));
    EXPECT_EQ(machine.tpm.nv_index(policy_index_handle)->name, index);
    EXPECT_THAT(machine.files(), testing::IsEmpty());
}

TEST(Enroll, TheIndexOfAnotherVaultIsDiscardedOnAPersonsWord) {
    Machine machine;
    machine.tpm.authorize(policy_index_handle, {{4, {digest_of(4)}}});
    machine.request.discard = true;
    ASSERT_TRUE(machine.run());
    machine.expect_enrolled();
}

TEST(Enroll, WhatIsLeftOfAnotherVaultInTheStoreIsNotTouched) {
    for (const char* file : {"policy.a", "relays.b"}) {
        Machine machine;
        machine.put(file);
        EXPECT_EQ(machine.run().error().kind, ErrorKind::wrong_state);
        EXPECT_THAT(machine.files(), testing::ElementsAre(file));
        machine.request.discard = true;
        EXPECT_TRUE(machine.run());
        machine.expect_enrolled();
    }
}

TEST(Enroll, AnIdentityWithoutAVaultIsNeverDiscarded) {
    for (const bool cut_before : {false, true}) {
        Machine machine;
        machine.put("identity-alpha.a");
        if (cut_before) {
            ASSERT_TRUE(set_mark(machine.tpm, UnderWay::enrolment));
        }
        machine.tpm.define_index(policy_index_handle);
        machine.request.discard = true;
        const auto enrolment = machine.run();
        EXPECT_EQ(enrolment.error().kind, ErrorKind::wrong_state);
        EXPECT_THAT(enrolment.error().message, HasSubstr("alpha"));
        EXPECT_TRUE(machine.has_index());
        EXPECT_TRUE(*machine.store.exists({ObjectKind::identity, "alpha"}));
    }
}

TEST(Enroll, APolicyOfSystemdPcrlockForSomethingElseIsNotTouched) {
    Machine machine;
    machine.pcrlock.file_ = policy_json({{7, {digest_of(7)}}}, 0x01811111);
    const auto file = machine.pcrlock.file_;
    EXPECT_EQ(machine.run().error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(machine.pcrlock.file_, file);
    EXPECT_FALSE(machine.has_index());
}

struct Restore : Machine, testing::Test {
    const std::filesystem::path file = folder / "lib/systemd/pcrlock.json";
    Result<Restoration> restore() { return restore_policy(tpm, store, file); }
};

TEST_F(Restore, PutsBackWhatTheIndexConfirms) {
    ASSERT_TRUE(run());
    const std::string json = *pcrlock.file_;
    ASSERT_TRUE(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json({{4, {digest_of(0x99)}}}))));
    ASSERT_EQ(restore(), Restoration::done);
    EXPECT_EQ(as_text(*read_file(file, 1 << 16)), json);
    EXPECT_EQ(restore(), Restoration::done);  // over the one that is there
}

TEST_F(Restore, HasNothingToDoBeforeEnrolment) {
    EXPECT_EQ(restore(), Restoration::not_enrolled);
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Restore, RefusesWhatTheIndexDoesNotConfirm) {
    ASSERT_TRUE(run());
    tpm.authorize(policy_index_handle, {{4, {digest_of(0x99)}}});
    EXPECT_EQ(restore().error().kind, ErrorKind::rollback);
    EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace lethe
