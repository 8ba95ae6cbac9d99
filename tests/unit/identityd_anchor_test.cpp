// Somebody who can write the disk, and has what lay on it before. And somebody who has booted another system on the machine, and with it
// the TPM's owner authorisation.
#include "identity_machine.hpp"
#include "pcrlock/open_vault.hpp"
#include "vault/enrolment_mark.hpp"
#include "vault/snapshots.hpp"

namespace lethe {
namespace {

const std::string alice_fingerprint = alice().fingerprints.rsa_hex(), bob_fingerprint = bob().fingerprints.rsa_hex();

struct Anchored : testing::Test {
    using Files = std::map<std::string, std::string>;

    Machine machine{{}};
    std::optional<Daemon> daemon;

    Anchored() { reboot(); }
    void reboot() { daemon.emplace(machine); }
    IdentityService& service() { return daemon->service; }
    Result<void> import(const std::string& name, const KeySet& keys, const std::optional<std::string>& replaces = {}) {
        return service().import_relay(name, copy_of(keys.files), replaces);
    }
    Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key) {
        return lethe::set_recovery_key(service(), machine.tpm, *Store::open(machine.folder.path()), key);
    }

    // The files whose names begin with `prefix` as they were; those that were not there go.
    void put_back(const Files& files, const std::string& prefix = "") {
        const auto present = machine.files();
        for (const auto& file : present)
            if (file.first.starts_with(prefix)) std::filesystem::remove(machine.folder / file.first);
        for (const auto& [file, octets] : files)
            if (file.starts_with(prefix)) std::ofstream(machine.folder / file, std::ios::binary) << octets;
    }
    void expect_refused(ErrorKind kind, const std::string& text) {
        const auto before = machine.files();
        reboot();
        EXPECT_EQ(service().vault().state, VaultState::shut);
        ASSERT_TRUE(service().vault().reason);
        EXPECT_EQ(service().vault().reason->kind, kind) << service().vault().reason->message;
        EXPECT_THAT(service().vault().reason->message, HasSubstr(text));
        EXPECT_TRUE(daemon->place.manifests.empty());
        EXPECT_EQ(daemon->place.made, 0);
        EXPECT_EQ(machine.files(), before) << "something was written into a store that is refused";
        EXPECT_FALSE(service().create_relay("z"));
        EXPECT_EQ(machine.files(), before);
    }
    // Second copies may have come.
    void expect_untouched(const Files& files) {
        const auto now = machine.files();
        for (const auto& [file, octets] : files) EXPECT_TRUE(now.contains(file) && now.at(file) == octets) << file;
    }
    std::string accept_text() { return std::format("lethectl store accept --generation {}", service().store_standing().generation); }
    void expect_open() {
        EXPECT_EQ(service().vault().state, VaultState::open)
            << service().vault().reason.value_or(Error{ErrorKind::io, "for no reason"}).message;
    }
};

TEST_F(Anchored, ItsGenerationGrowsWithEachChangeAndNotWithABoot) {
    const auto first = service().store_standing();
    EXPECT_GT(first.generation, 0u);
    EXPECT_EQ(first.generation, first.counted);
    EXPECT_TRUE(first.taken_over);
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto second = service().store_standing();
    EXPECT_GT(second.generation, first.generation);
    EXPECT_EQ(second.enrolled, first.enrolled);
    reboot();
    expect_open();
    EXPECT_EQ(service().store_standing(), second);
}

TEST_F(Anchored, AWholeStoreThatIsPutBackIsRefused) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(import("b", bob())));
    put_back(earlier);
    expect_refused(ErrorKind::rollback, "the store is older than this machine");
    EXPECT_THAT(service().vault().reason->message, HasSubstr(accept_text()));
    EXPECT_LT(service().store_standing().generation, service().store_standing().counted);
}

TEST_F(Anchored, AStoreFromBeforeARelayWasForgottenDoesNotBringItBack) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    put_back(earlier);
    expect_refused(ErrorKind::rollback, "older");
}

TEST_F(Anchored, AStoreFromBeforeAnIdentityWasReplacedDoesNotBringItBack) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    put_back(earlier);
    expect_refused(ErrorKind::rollback, "older");
}

TEST_F(Anchored, AStoreFromBeforeARecoveryKeyWasSetIsRefusedBeforeAnythingIsBoxed) {
    const auto old_pair = make_recovery_key(), pair = make_recovery_key();
    ASSERT_TRUE(is_success(set_recovery_key(old_pair.public_key)));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    put_back(earlier);
    expect_refused(ErrorKind::wrong_state, "pinned");
}

TEST_F(Anchored, ARecoveryKeyThatIsPutBackIsNotTaken) {
    const auto old_pair = make_recovery_key(), pair = make_recovery_key();
    ASSERT_TRUE(is_success(set_recovery_key(old_pair.public_key)));
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    put_back(earlier, "recovery");
    reboot();
    expect_open();
    EXPECT_EQ(service().recovery_key(), std::nullopt);
    ASSERT_TRUE(service().recovery_trouble());
    EXPECT_EQ(service().recovery_trouble()->kind, ErrorKind::corrupt) << "it is of another vault key";
    EXPECT_TRUE(is_error(service().export_relay("a", {}), ErrorKind::wrong_state, ""));
    EXPECT_EQ(read_vault_record(*Store::open(machine.folder.path()))->recovery->recipient, pair.public_key);
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << "one object's failure";
}

TEST_F(Anchored, ARecoveryKeyThatIsTakenAwayIsMissed) {
    const auto pair = make_recovery_key();
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    put_back({}, "recovery");
    reboot();
    ASSERT_TRUE(service().recovery_trouble());
    EXPECT_EQ(service().recovery_trouble()->kind, ErrorKind::rollback);
    EXPECT_EQ(read_vault_record(*Store::open(machine.folder.path()))->recovery->recipient, pair.public_key);
    ASSERT_TRUE(is_success(set_recovery_key(std::nullopt)));
    reboot();
    EXPECT_FALSE(service().recovery_trouble());
}

TEST_F(Anchored, AVaultRecordThatIsPutBackIsRefused) {
    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));
    put_back(earlier, "vault");
    expect_refused(ErrorKind::wrong_state, "pinned");
}

// The former recipient of the vault key, who has kept a copy of the disk, and comes by what lies on it now.
TEST_F(Anchored, AFormerRecoveryKeyOpensTheCopyOfThenAndNothingOfNow) {
    const auto former = make_recovery_key();
    ASSERT_TRUE(is_success(set_recovery_key(former.public_key)));
    ASSERT_TRUE(is_success(import("a", alice())));
    const ObjectId id{ObjectKind::identity, "a"};
    const auto opens = [&](const VaultKey& key, const std::string& octets) {
        return decrypt_object(key.kind_key(id.kind), id, as_octets(octets)).has_value();
    };
    const auto then = machine.files();
    const auto record = *read_vault_record(*Store::open(machine.folder.path()));
    const auto key = unbox_vault_key(*record.recovery, former.secret_key, record.handles());
    ASSERT_TRUE(is_success(key));
    EXPECT_TRUE(opens(*key, then.at("identity-a.a"))) << "a key that was given up stays one for what it was given";

    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));
    const auto now = machine.files();
    for (const auto& [file, octets] : now) EXPECT_FALSE(opens(*key, octets)) << file;
    const auto policies = *read_policy_files(*Store::open(machine.folder.path()));
    for (const auto& policy : policies) EXPECT_FALSE(machine.tpm.unseal(record.root, record.index, record.sealed, policy.policy));
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
    reboot();
    expect_open();
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << daemon->reason("a");
}

TEST_F(Anchored, ANewVaultKeyIsRefusedWhereItWouldLoseOrAdmitAnything) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto pair = make_recovery_key();
    EXPECT_TRUE(is_error(service().set_recovery_key(pair.public_key, policy_json({{11, {Digest{}}}}, second_handles.policy),
                                                    VaultKey::random(second_handles).policy_keys()),
                         ErrorKind::wrong_state, "BeginRekeying"));
    const auto keys = service().begin_rekeying();
    ASSERT_TRUE(is_success(keys));
    const PcrPolicy wider{{11, {Digest{}, digest_of(9)}}};
    machine.tpm.authorize(keys->index, wider);
    const auto before = machine.files();
    EXPECT_TRUE(
        is_error(service().set_recovery_key(pair.public_key, policy_json(wider, keys->index), *keys), ErrorKind::policy_mismatch, "admit"));
    EXPECT_FALSE(machine.tpm.nv_index(keys->index)) << "an index that nothing needs is left";
    expect_untouched(before);

    machine.damage("identity-a.a");
    machine.damage("identity-a.b");
    const auto damaged = machine.files();
    EXPECT_TRUE(is_error(set_recovery_key(pair.public_key), ErrorKind::corrupt, "identity-a"));
    expect_untouched(damaged);

    ASSERT_TRUE(machine.tpm.nv_define(second_handles.anchor, 8));
    EXPECT_TRUE(is_error(service().begin_rekeying(), ErrorKind::wrong_state, "somebody else"));
    EXPECT_TRUE(machine.tpm.nv_index(second_handles.anchor)) << "another's index was removed";
}

// A machine whose store is of a release that kept no ledger; it is on trial with the first that does, or was.
struct OfAnEarlierRelease : Anchored {
    const Digest of_this_boot = machine.tpm.read_pcrs(std::array{11u})->at(11);

    OfAnEarlierRelease() {
        machine.forget_ledger();
        admit({of_this_boot, digest_of(8), digest_of(9)});
        reboot();
    }
    void admit(std::vector<Digest> values) {
        const PcrPolicy policy{{11, std::move(values)}};
        machine.tpm.authorize(policy_index_handle, policy);
        EXPECT_TRUE(Store::open(machine.folder.path())->write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    }
    bool is_counted() {
        return anchor_exists(machine.tpm).value() || machine.files().contains("ledger.a") || machine.files().contains("ledger.b");
    }
};

TEST_F(OfAnEarlierRelease, TheStoreStaysAsItIsWhileThatReleaseMayComeBack) {
    expect_open();
    EXPECT_TRUE(service().store_standing().awaits_takeover);
    EXPECT_EQ(service().store_reason(), "");
    EXPECT_FALSE(is_counted());
    // What is changed by the release that is on trial, and by the one that came back, is as it was left.
    ASSERT_TRUE(is_success(import("a", alice())));
    reboot();
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    ASSERT_TRUE(is_success(import("b", alice())));
    EXPECT_FALSE(is_counted());

    admit({of_this_boot});
    reboot();
    expect_open();
    EXPECT_TRUE(is_counted());
    EXPECT_FALSE(service().store_standing().awaits_takeover);
    EXPECT_TRUE(service().store_standing().taken_over && service().has_earlier_vault_key());
    EXPECT_EQ(service().store_reason(), "");
    for (const char* relay : {"a", "b"}) EXPECT_EQ(daemon->state(relay), RelayState::installed) << daemon->reason(relay);
}

TEST_F(OfAnEarlierRelease, AnOperatorMayHaveItTakenOverAtOnce) {
    EXPECT_TRUE(is_error(service().accept_store(1), ErrorKind::invalid_argument, "nothing has been adopted"));
    EXPECT_FALSE(is_counted());
    ASSERT_TRUE(is_success(service().accept_store(0)));
    EXPECT_TRUE(service().store_standing().taken_over && is_counted());
}

TEST_F(OfAnEarlierRelease, TheVaultGetsANewKeyOnceThatReleaseIsGone) {
    ASSERT_TRUE(is_success(import("a", alice())));
    EXPECT_TRUE(is_error(set_recovery_key(std::nullopt), ErrorKind::policy_mismatch, "nor on trial")) << "its policy would admit both";
    EXPECT_TRUE(service().has_earlier_vault_key());
    EXPECT_FALSE(is_counted());
    admit({of_this_boot});
    const auto pair = make_recovery_key();
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key))) << "no other boot is needed in between";
    EXPECT_FALSE(service().has_earlier_vault_key());
    reboot();
    expect_open();
    EXPECT_FALSE(service().has_earlier_vault_key());
    EXPECT_TRUE(service().store_standing().taken_over && service().store_standing().rekeyed);
    EXPECT_EQ(service().recovery_key(), pair.public_key);
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << daemon->reason("a");
}

// Somebody has damaged systemd-pcrlock's own PIN, so that nobody can take that release out of the policy.
TEST_F(OfAnEarlierRelease, TheNewKeyTakesThatReleaseOutOfThePolicy) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto keys = service().begin_rekeying().value();
    const PcrPolicy alone{{11, {of_this_boot}}};
    machine.tpm.authorize(keys.index, alone);
    ASSERT_TRUE(is_success(service().set_recovery_key(std::nullopt, policy_json(alone, keys.index), keys)));
    EXPECT_FALSE(service().has_earlier_vault_key());
    reboot();
    expect_open();
    EXPECT_TRUE(service().store_standing().taken_over && service().store_standing().rekeyed);
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << daemon->reason("a");
    EXPECT_FALSE(machine.tpm.nv_index(first_handles.policy)) << "that release opens the vault";
}

// The TPM's owner, who has booted another system, takes away what counts, and has an older store.
TEST_F(Anchored, AStoreThatWasRobbedOfItsAnchorIsNoStoreOfAnEarlierRelease) {
    ASSERT_TRUE(is_success(set_recovery_key(std::nullopt))) << "this release has sealed the vault key";
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    put_back(earlier);
    ASSERT_TRUE(machine.tpm.nv_undefine(second_handles.anchor));
    put_back({}, "ledger");
    expect_refused(ErrorKind::rollback, "lethectl store accept --generation 0");
    ASSERT_TRUE(is_success(service().accept_store(0)));
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
    EXPECT_FALSE(service().has_earlier_vault_key());
    reboot();
    expect_open();
}

TEST_F(Anchored, TwoNewVaultKeysAtOnceAreOne) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto pair = make_recovery_key();
    const auto first = service().begin_rekeying().value(), second = service().begin_rekeying().value();
    const auto in_force = read_policy_files(*Store::open(machine.folder.path()))->front().policy;
    machine.tpm.authorize(first.index, in_force);  // whose PIN is that of the first
    EXPECT_TRUE(is_error(service().set_recovery_key(pair.public_key, policy_json(in_force, first.index), first), ErrorKind::wrong_state,
                         "another new vault key"));
    EXPECT_FALSE(machine.tpm.nv_index(first.index)) << "an index is left whose PIN nobody has";
    EXPECT_TRUE(service().recovery_key() == std::nullopt && daemon->state("a") == RelayState::installed);
    EXPECT_TRUE(
        is_error(service().set_recovery_key(pair.public_key, policy_json(in_force, second.index), second), ErrorKind::not_found, ""));
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
}

TEST_F(Anchored, AnIdentityThatIsPutBackIsThatRelaysFailure) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    ASSERT_TRUE(is_success(import("a", bob())));
    ASSERT_TRUE(is_success(import("b", alice())));
    put_back(earlier, "identity-a");
    reboot();
    expect_open();
    EXPECT_EQ(daemon->state("a"), RelayState::damaged);
    EXPECT_THAT(daemon->reason("a"), HasSubstr("older than this machine"));
    EXPECT_FALSE(daemon->place.manifests.contains("a"));
    EXPECT_EQ(daemon->state("b"), RelayState::installed);
    // Its operator has the keys.
    ASSERT_TRUE(is_success(import("a", bob(), bob_fingerprint)));
}

TEST_F(Anchored, AnIdentityOfARelayThatWasForgottenIsNotAdmittedAgain) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    put_back(earlier, "identity-a");
    reboot();
    expect_open();
    EXPECT_TRUE(daemon->place.manifests.empty());
    put_back(earlier, "relays");
    reboot();
    EXPECT_TRUE(daemon->place.manifests.empty()) << "neither with the list from then";
    EXPECT_TRUE(is_error(service().create_relay("c"), ErrorKind::rollback, "relays"));
}

TEST_F(Anchored, AListOfRelaysThatIsPutBackInstallsNothing) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(import("b", bob())));
    put_back(earlier, "relays");
    reboot();
    expect_open();
    EXPECT_TRUE(daemon->place.manifests.empty());
    EXPECT_EQ(daemon->place.made, 0);
    EXPECT_THAT(daemon->reason("a"), HasSubstr("older than this machine"));
}

TEST_F(Anchored, AListOfRelaysThatIsTakenAwayInstallsNothing) {
    ASSERT_TRUE(is_success(import("a", alice())));
    put_back({}, "relays");
    reboot();
    EXPECT_TRUE(daemon->place.manifests.empty());
    EXPECT_TRUE(is_error(service().create_relay("c"), ErrorKind::rollback, "gone"));
}

TEST_F(Anchored, AStoreWithoutItsLedgerIsRefused) {
    ASSERT_TRUE(is_success(import("a", alice())));
    put_back({}, "ledger");
    expect_refused(ErrorKind::rollback, "lost its ledger");
}

TEST_F(Anchored, OneDamagedSlotOfAnyObjectCostsNothing) {
    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));
    ASSERT_TRUE(is_success(import("a", alice())));
    auto files = machine.files();
    for (const std::string file : {"identity-a.a", "identity-a.b", "ledger.a", "ledger.b", "recovery.a", "recovery.b", "relays.a",
                                   "relays.b", "vault.a", "vault.b"}) {
        put_back(files);
        machine.damage(file);
        reboot();
        expect_open();
        EXPECT_EQ(daemon->state("a"), RelayState::installed) << file;
        EXPECT_FALSE(service().recovery_trouble()) << file;
        EXPECT_EQ(service().store_reason(), "") << file;
        if (file.starts_with("vault")) files = machine.files();  // it was written again
    }
}

TEST_F(Anchored, ADamagedLedgerIsRefusedAndOneDamagedCopyIsMended) {
    ASSERT_TRUE(is_success(import("a", alice())));
    machine.damage("ledger.a");
    reboot();
    expect_open();
    EXPECT_EQ(machine.files()["ledger.a"], machine.files()["ledger.b"]);
    for (const char* file : {"ledger.a", "ledger.b"}) machine.damage(file);
    expect_refused(ErrorKind::corrupt, "damaged in every slot");
}

TEST_F(Anchored, ACounterThatWasRemovedIsMissed) {
    ASSERT_TRUE(is_success(import("a", alice())));
    ASSERT_TRUE(machine.tpm.nv_undefine(anchor_index_handle));
    expect_refused(ErrorKind::rollback, "gone from the TPM");
}

TEST_F(Anchored, ACounterOfSomebodyElseIsRefused) {
    ASSERT_TRUE(machine.tpm.nv_undefine(anchor_index_handle));
    ASSERT_TRUE(machine.tpm.counter_define(anchor_index_handle, Secret::random(32)));
    expect_refused(ErrorKind::wrong_state, "redefined");
}

TEST_F(Anchored, AStoreThatIsGoneIsLostAndNothingIsMadeInItsPlace) {
    machine.tpm.authorize(policy_index_handle, {{11, {(*machine.tpm.read_pcrs(std::array{11u})).at(11)}}});
    put_back({});
    expect_refused(ErrorKind::rollback, "the store is lost");
    std::ofstream(machine.folder / "enrolling.a");
    expect_refused(ErrorKind::rollback, "the store is lost");
}

TEST_F(Anchored, AnEnrolmentThatIsUnderWayOpensNothing) {
    ASSERT_TRUE(set_mark(machine.tpm, UnderWay::enrolment));
    expect_refused(ErrorKind::wrong_state, "lethectl enroll");
}

// Whoever boots another system on the machine owns its TPM: the mark of a re-enrolment that was cut is theirs to write, and its proof to
// read while it is there.
TEST_F(Anchored, AMarkThatWhoeverOwnsTheTpmWritesAdoptsNoOlderStore) {
    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));  // the key is counted from here on
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    put_back(earlier);
    ASSERT_TRUE(set_mark(machine.tpm, UnderWay::adoption));
    expect_refused(ErrorKind::rollback, "the store is older than this machine");

    ASSERT_TRUE(set_adoption(machine.tpm, {1, 2, 3}));
    expect_refused(ErrorKind::rollback, "the store is older than this machine");
    ASSERT_TRUE(machine.tpm.nv_undefine(second_handles.anchor));
    ASSERT_TRUE(set_adoption(machine.tpm, {1, 2, 3}));
    expect_refused(ErrorKind::rollback, "is gone from the TPM");
}

// Earlier releases had no proof beside the mark. It says nothing of a key that is counted, of which they knew nothing.
TEST_F(Anchored, AMarkOfOneOctetAdoptsNoOlderStoreOfACountedKey) {
    const auto mark = [&] {
        ASSERT_TRUE(machine.tpm.nv_define(enrolling_index_handle, 1));
        ASSERT_TRUE(machine.tpm.nv_write(enrolling_index_handle, 0, Octets{'A'}));
    };
    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));  // the key is counted from here on
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    const auto newest = machine.files();
    put_back(earlier);
    mark();
    expect_refused(ErrorKind::rollback, "the store is older than this machine");
    EXPECT_FALSE(machine.tpm.nv_index(enrolling_index_handle));

    put_back(newest);
    const auto counted = service().store_standing().counted;
    mark();
    reboot();
    expect_open();
    EXPECT_FALSE(machine.tpm.nv_index(enrolling_index_handle));
    EXPECT_EQ(service().store_standing().counted, counted);

    ASSERT_TRUE(machine.tpm.nv_undefine(second_handles.anchor));
    mark();
    expect_refused(ErrorKind::rollback, "is gone from the TPM");
}

TEST_F(Anchored, AnAdoptionThatWasAnnouncedHappensOnceAndItsProofIsWorthNothingAfterwards) {
    ASSERT_TRUE(is_success(set_recovery_key(make_recovery_key().public_key)));
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    {
        auto store = *Store::open(machine.folder.path());
        const auto key = *open_vault_of(store, machine.tpm);
        ASSERT_TRUE(is_success(Anchor(store, false, machine.tpm, key).announce_adoption()));
    }
    const auto mark = machine.tpm.nv_read(enrolling_index_handle).value();
    reboot();
    expect_open();
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
    EXPECT_EQ(service().store_standing().generation, service().store_standing().counted);
    EXPECT_FALSE(service().store_standing().taken_over);
    EXPECT_FALSE(machine.tpm.nv_index(enrolling_index_handle));

    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    put_back(earlier);
    ASSERT_TRUE(machine.tpm.nv_define(enrolling_index_handle, static_cast<std::uint16_t>(mark.size())));
    ASSERT_TRUE(machine.tpm.nv_write(enrolling_index_handle, 0, mark));
    expect_refused(ErrorKind::rollback, "the store is older than this machine");
}

TEST_F(Anchored, AnOlderStoreIsAdoptedOnItsOperatorsWordAndOnNoOtherNumber) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    const auto old = service().store_standing();
    ASSERT_TRUE(is_success(import("b", bob())));
    const auto newest = machine.files();
    put_back(earlier);
    reboot();
    const auto counted = service().store_standing().counted;
    for (const std::uint64_t other : {std::uint64_t{0}, old.generation - 1, old.generation + 1, counted})
        EXPECT_TRUE(is_error(service().accept_store(other), ErrorKind::invalid_argument, "nothing has been adopted"));
    EXPECT_EQ(service().vault().state, VaultState::shut);
    ASSERT_TRUE(is_success(service().accept_store(old.generation)));
    expect_open();
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
    EXPECT_FALSE(service().relays().contains("b"));
    EXPECT_GT(service().store_standing().generation, counted);
    EXPECT_EQ(service().store_standing().enrolled, old.enrolled);
    reboot();
    expect_open();
    ASSERT_TRUE(is_success(import("b", bob())));
    put_back(newest);
    expect_refused(ErrorKind::rollback, "older");
}

TEST_F(Anchored, WhateverIsMissingIsAdoptedAsGenerationZeroOrByTheLedgersNumber) {
    ASSERT_TRUE(is_success(import("a", alice())));
    put_back({}, "ledger");
    reboot();
    ASSERT_TRUE(is_success(service().accept_store(0)));
    expect_open();
    ASSERT_TRUE(machine.tpm.nv_undefine(anchor_index_handle));
    reboot();
    const auto generation = service().store_standing().generation;
    ASSERT_TRUE(is_success(service().accept_store(generation)));
    expect_open();
    EXPECT_GT(service().store_standing().generation, generation);
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
    EXPECT_FALSE(machine.tpm.nv_index(enrolling_index_handle));
}

TEST_F(Anchored, AnObjectThatWasPutBackIsAdoptedToo) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto earlier = machine.files();
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    put_back(earlier, "identity-a");
    put_back(earlier, "relays");
    reboot();
    EXPECT_EQ(daemon->state("a"), RelayState::damaged);
    ASSERT_TRUE(is_success(service().accept_store(service().store_standing().generation)));
    EXPECT_EQ(daemon->place.manifests["a"], manifest_of(alice().fingerprints));
}

TEST_F(Anchored, ARemovedCounterOfSnapshotsIsMissedEvenWithoutSnapshots) {
    ASSERT_TRUE(machine.tpm.nv_undefine(counter_index_handle));
    auto store = *Store::open(machine.folder.path());
    const auto key = *open_vault_of(store, machine.tpm);
    auto snapshots = *Snapshots::open(store.disk(), machine.tpm, key);
    EXPECT_TRUE(is_error(snapshots.read(), ErrorKind::rollback, "gone from the TPM"));
    EXPECT_TRUE(is_error(snapshots.write({}), ErrorKind::rollback, "gone from the TPM"));
    ASSERT_TRUE(snapshots.reset());
    EXPECT_TRUE(is_success(snapshots.write({})));
}

}  // namespace
}  // namespace lethe
