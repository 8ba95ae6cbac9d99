#include "enroll/reenroll.hpp"

#include "base/file.hpp"
#include "borrowed_tpm.hpp"
#include "enroll/lock_boot.hpp"
#include "fake_pcrlock.hpp"
#include "keyring/keyring.hpp"
#include "tor_keys.hpp"
#include "vault/snapshots.hpp"

namespace lethe {
namespace {

const std::string alice_fingerprint = alice().fingerprints.rsa_hex();

// A TPM that has booted.
struct BootedTpm : FakeTpm {
    explicit BootedTpm(std::uint8_t octet = 1) {
        for (unsigned pcr : {0, 4, 7, 11}) extend(pcr, digest_of(octet));
    }
};

// A TPM that has no answer when it is asked for the vault key.
struct UnsealFails : BorrowedTpm {
    Error error;
    UnsealFails(Tpm& tpm, Error error) : BorrowedTpm(tpm), error(std::move(error)) {}
    Result<Secret> unseal(const TpmReference&, const TpmReference&, const SealedObject&, const PcrPolicy&) override {
        return std::unexpected(error);
    }
};

// A store with one relay, of a machine that was enrolled and whose operator has a recovery key.
struct Reenroll : testing::Test {
    TemporaryFolder folder;
    Store store = *Store::open(folder.path());
    RecoveryKeyPair pair = make_recovery_key();
    BootedTpm old_tpm;
    bool secure_boot = true, insecure_boot = false;
    std::optional<std::uint64_t> accepted;  // the store's generation, as the operator gives it

    Result<std::vector<std::string>> run(BootedTpm& tpm, FakePcrlock& pcrlock, const std::string& fingerprint = alice_fingerprint,
                                         const std::optional<RecoverySecretKey>& key = {}) {
        Reenrolment request{
            RecoverySecretKey(Secret::copy_of((key ? *key : pair.secret_key).octets().expose())), fingerprint, {}, insecure_boot, accepted};
        return reenroll(ports(tpm, pcrlock), request);
    }
    EnrolmentPorts ports(BootedTpm& tpm, FakePcrlock& pcrlock) {
        return {tpm,
                store,
                false,
                pcrlock,
                [this]() -> Result<BootedImage> { return BootedImage{secure_boot, "/efi/EFI/Linux/lethe_1.efi", {}}; },
                [](std::string_view) {}};
    }
    Result<VaultKey> open(BootedTpm& tpm) {
        std::vector<PcrPolicy> policies;
        for (const auto& file : TRY(read_policy_files(store))) policies.push_back(file.policy);
        return open_vault(tpm, store, policies);
    }
    void SetUp() override {
        FakePcrlock pcrlock(old_tpm);
        ASSERT_TRUE(is_success(enroll(ports(old_tpm, pcrlock), {false, {}, {}})));
        const auto key = open(old_tpm);
        ASSERT_TRUE(is_success(key));
        const auto keyring = open_keyring(store, false, *key);
        ASSERT_TRUE(keyring->write_roster({{"a", {RelayStage::created, alice().fingerprints.rsa}}}));
        ASSERT_TRUE(keyring->write("a", alice()));
        ASSERT_TRUE(keyring->set_recovery_key(pair.public_key));
        auto record = *read_vault_record(store);
        record.recovery = box_vault_key(*key, pair.public_key);
        ASSERT_TRUE(replace_vault(store, record));
        count_generation();
    }
    // Counts what was written, and says the number.
    std::uint64_t count_generation() {
        const auto key = open(old_tpm);
        EXPECT_TRUE(is_success(key));
        Anchor anchor(store, false, old_tpm, *key);
        (void)anchor.open({});
        EXPECT_TRUE(is_success(anchor.accept(anchor.standing().generation, {})));
        return anchor.standing().generation;
    }
    std::map<std::string, Octets> files() {
        std::map<std::string, Octets> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
            files[entry.path().filename()] = *read_file(entry.path(), 1 << 20);
        return files;
    }
};

TEST_F(Reenroll, AnotherTpmOpensTheSameVaultAfterwards) {
    BootedTpm tpm(2);
    FakePcrlock pcrlock(tpm);
    ASSERT_FALSE(open(tpm));
    const auto relays = run(tpm, pcrlock);
    ASSERT_TRUE(is_success(relays));
    EXPECT_EQ(*relays, std::vector<std::string>{"a"});
    const auto key = open(tpm);
    ASSERT_TRUE(is_success(key));
    EXPECT_EQ(open_keyring(store, false, *key)->read("a")->keys.fingerprints, alice().fingerprints);
    EXPECT_EQ(read_vault_record(store)->recovery->recipient, pair.public_key);
}

// The relays' state as it is found after a boot.
std::string state_of(Reenroll& machine, BootedTpm& tpm) {
    const auto key = machine.open(tpm);
    EXPECT_TRUE(is_success(key));
    const auto snapshot = Snapshots::open(machine.store.disk(), tpm, *key)->read();
    return snapshot ? std::string(as_text(snapshot->relays.at("a").state.expose())) : snapshot.error().message;
}

void take_snapshot(Reenroll& machine, BootedTpm& tpm, std::string_view text) {
    RelayStates states;
    states.emplace("a", Secret::copy_of(as_octets(text)));
    ASSERT_TRUE(is_success(Snapshots::open(machine.store.disk(), tpm, *machine.open(tpm))->write(states)));
}

TEST_F(Reenroll, AnotherTpmTakesTheNewestSnapshotOver) {
    for (const auto* text : {"first", "second", "third"}) take_snapshot(*this, old_tpm, text);
    BootedTpm tpm(2);
    FakePcrlock pcrlock(tpm);
    ASSERT_TRUE(is_success(run(tpm, pcrlock)));
    EXPECT_EQ(state_of(*this, tpm), "third");
    take_snapshot(*this, tpm, "fourth");
    EXPECT_EQ(state_of(*this, tpm), "fourth");
}

TEST_F(Reenroll, ThisTpmGoesOnCountingAndAcceptsNoOlderSnapshot) {
    take_snapshot(*this, old_tpm, "first");
    const auto older = files();
    for (const auto* text : {"second", "third", "fourth"}) take_snapshot(*this, old_tpm, text);
    for (const std::string slot : {"state.a", "state.b"}) {
        std::filesystem::remove(folder / slot);
        if (!older.contains(slot)) continue;
        ASSERT_TRUE(replace_file(folder / slot, older.at(slot), 0600));
    }
    old_tpm.extend(4, digest_of(9));
    FakePcrlock pcrlock(old_tpm);
    ASSERT_TRUE(is_success(run(old_tpm, pcrlock)));
    EXPECT_TRUE(state_of(*this, old_tpm).contains("older ones have been put back")) << state_of(*this, old_tpm);
}

// A machine whose relay `b` has been forgotten, and on whose disk somebody has put the store back from before. Without the policy the vault
// is shut, and what that says advises this recovery.
struct ReenrollOlderStore : Reenroll {
    std::uint64_t generation = 0, counted = 0;
    std::map<std::string, Octets> older, newest;
    FakePcrlock pcrlock{old_tpm};

    void SetUp() override {
        Reenroll::SetUp();
        const auto key = open(old_tpm);
        const auto keyring = open_keyring(store, false, *key);
        ASSERT_TRUE(keyring->write("b", bob()));
        generation = count_generation();
        older = files();
        ASSERT_TRUE(keyring->wipe("b"));
        ASSERT_TRUE(keyring->write_roster({{"a", {RelayStage::created, alice().fingerprints.rsa}}, {"c", {}}}));
        counted = count_generation();
        newest = files();
        put_back(older);
    }
    void put_back(const std::map<std::string, Octets>& former) {
        for (const auto& present : files()) std::filesystem::remove(folder / present.first);
        for (const auto& [file, octets] : former)
            if (!file.starts_with("policy.")) {
                ASSERT_TRUE(replace_file(folder / file, octets, 0600));
            }
    }
};

TEST_F(ReenrollOlderStore, IsRefusedAndChangesNothing) {
    const auto before = files();
    const auto content = *old_tpm.nv_read(policy_index_handle);
    const auto refused = run(old_tpm, pcrlock);
    if (refused) {
        EXPECT_FALSE(open_keyring(store, false, *open(old_tpm))->read("b")) << "the identity that was forgotten is back";
    }
    EXPECT_TRUE(is_error(refused, ErrorKind::rollback, std::format("generation {}, and the TPM has counted to {}", generation, counted)));
    EXPECT_TRUE(is_error(refused, ErrorKind::rollback, std::format("--generation {}`", generation)));
    EXPECT_EQ(files(), before);
    EXPECT_EQ(*old_tpm.nv_read(policy_index_handle), content);
    EXPECT_FALSE(old_tpm.nv_index(enrolling_index_handle));

    put_back(newest);
    EXPECT_TRUE(is_success(run(old_tpm, pcrlock)));
}

TEST_F(ReenrollOlderStore, IsTakenOnItsOperatorsWordAndOnNoOtherNumber) {
    const auto before = files();
    for (const std::uint64_t other : {std::uint64_t{0}, generation - 1, generation + 1, counted}) {
        accepted = other;
        EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::invalid_argument, "nothing was changed"));
        EXPECT_EQ(files(), before);
    }
    accepted = generation;
    ASSERT_TRUE(is_success(run(old_tpm, pcrlock)));
    EXPECT_TRUE(open_keyring(store, false, *open(old_tpm))->read("b"));
    put_back(newest);
    accepted.reset();
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "older than this machine"));
}

// The newest ledger does not help to bring an identity back that it does not list, or lists otherwise.
TEST_F(ReenrollOlderStore, IsRefusedUnderTheNewestLedgerAsWell) {
    auto mixed = newest;
    for (const auto& [file, octets] : older)
        if (file.starts_with("identity-b")) mixed[file] = octets;
    put_back(mixed);
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "identity-b in the store is older than the store's ledger"));
    EXPECT_FALSE(old_tpm.nv_index(enrolling_index_handle));

    auto replaced = newest;
    for (const char* file : {"relays.a", "relays.b"})
        if (older.contains(file)) replaced[file] = older.at(file);
    put_back(replaced);
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "relays in the store is older"));
    accepted = counted;
    EXPECT_TRUE(is_success(run(old_tpm, pcrlock)));
}

TEST_F(ReenrollOlderStore, IsRefusedWithoutALedgerOrWithADamagedOne) {
    for (const std::optional<Octets>& ledger : {std::optional<Octets>(), std::optional(Octets(64, 1))}) {
        auto files = newest;
        for (const char* file : {"ledger.a", "ledger.b"}) {
            files.erase(file);
            if (ledger) files[file] = *ledger;
        }
        put_back(files);
        EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "it is generation 0"));
    }
    accepted = 0;
    EXPECT_TRUE(is_success(run(old_tpm, pcrlock)));
}

TEST_F(ReenrollOlderStore, IsRefusedWhereAMarkHasNoProof) {
    ASSERT_TRUE(set_mark(old_tpm, UnderWay::adoption));
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "older than this machine"));
    ASSERT_TRUE(set_adoption(old_tpm, {1, 2, 3}));
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "older than this machine"));
}

TEST_F(ReenrollOlderStore, IsRefusedAgainAfterARecoveryThatFailed) {
    accepted = generation;
    FakePcrlock failing(old_tpm);
    failing.lies_about_nv = true;
    ASSERT_FALSE(run(old_tpm, failing));
    for (const auto handle : {first_handles.snapshots, first_handles.anchor}) EXPECT_TRUE(old_tpm.nv_index(handle));
    EXPECT_FALSE(old_tpm.nv_index(enrolling_index_handle));
    accepted.reset();
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, std::format("the TPM has counted to {}", counted)));
    put_back(newest);
    EXPECT_TRUE(is_success(run(old_tpm, pcrlock)));
}

TEST_F(ReenrollOlderStore, OfAFormerVaultKeyIsRefusedUnlessTheOperatorSaysSo) {
    ASSERT_TRUE(old_tpm.nv_undefine(first_handles.anchor));
    ASSERT_TRUE(old_tpm.counter_define(second_handles.anchor, Secret::random(32)));
    const auto before = files();
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::rollback, "another vault key"));
    EXPECT_EQ(files(), before);
    EXPECT_FALSE(old_tpm.nv_index(first_handles.anchor));
    accepted = generation;
    EXPECT_TRUE(is_success(run(old_tpm, pcrlock)));
}

TEST_F(ReenrollOlderStore, IsTakenByATpmThatHasCountedNothingOfIt) {
    BootedTpm tpm(2);
    FakePcrlock of_new(tpm);
    EXPECT_TRUE(is_success(run(tpm, of_new)));
}

// Another vault's, on a machine that was enrolled; or that of a key two keys later, which has the same handles.
TEST_F(ReenrollOlderStore, IsRefusedByATpmThatCountsForAnotherKey) {
    BootedTpm used(3);
    for (const auto handle : {first_handles.snapshots, first_handles.anchor}) ASSERT_TRUE(used.counter_define(handle, Secret::random(32)));
    FakePcrlock of_used(used);
    const auto before = files();
    EXPECT_TRUE(is_error(run(used, of_used), ErrorKind::rollback, "another vault key"));
    EXPECT_EQ(files(), before);
    accepted = generation;
    EXPECT_TRUE(is_success(run(used, of_used)));
}

TEST_F(Reenroll, ThisTpmInAnotherBootOpensItAfterwards) {
    old_tpm.extend(4, digest_of(9));
    ASSERT_FALSE(open(old_tpm));
    FakePcrlock pcrlock(old_tpm);
    ASSERT_TRUE(is_success(run(old_tpm, pcrlock)));
    EXPECT_TRUE(is_success(open(old_tpm)));
}

TEST_F(Reenroll, WhereTheVaultOpensItIsRefusedAndChangesNothing) {
    const auto before = files();
    FakePcrlock pcrlock(old_tpm);
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::wrong_state, "nothing to recover"));
    EXPECT_EQ(files(), before);
    EXPECT_TRUE(open(old_tpm));
}

// The index's policy is the one thing that a mistake here costs for good.
TEST_F(Reenroll, WhereNobodyCanTellWhetherTheVaultOpensItIsRefusedAndChangesNothing) {
    const auto before = files();
    const auto content = *old_tpm.nv_read(policy_index_handle);
    for (const auto kind : {ErrorKind::tpm_unavailable, ErrorKind::tpm_locked_out, ErrorKind::io}) {
        UnsealFails tpm(old_tpm, {kind, "not now"});
        FakePcrlock pcrlock(old_tpm);
        auto with = ports(old_tpm, pcrlock);
        const auto refused = reenroll({tpm, with.store, with.store_in_tpm, with.pcrlock, with.booted_image, with.progress},
                                      {RecoverySecretKey(Secret::copy_of(pair.secret_key.octets().expose())), alice_fingerprint, {}});
        EXPECT_TRUE(is_error(refused, kind, "cannot tell whether this boot opens the vault"));
        EXPECT_EQ(files(), before);
        EXPECT_EQ(*old_tpm.nv_read(policy_index_handle), content);
    }
}

TEST_F(Reenroll, WithoutSecureBootItIsRefusedUnlessTheOperatorSaysSo) {
    const auto before = files();
    BootedTpm tpm(2);
    FakePcrlock pcrlock(tpm);
    secure_boot = false;
    EXPECT_TRUE(is_error(run(tpm, pcrlock), ErrorKind::wrong_state, "Secure Boot is off"));
    EXPECT_EQ(files(), before);
    EXPECT_FALSE(tpm.nv_index(policy_index_handle));
    insecure_boot = true;
    EXPECT_TRUE(is_success(run(tpm, pcrlock)));
    tpm.extend(2, digest_of(1));
    EXPECT_FALSE(open(tpm));
}

TEST_F(Reenroll, AnotherKeyOrFingerprintIsRefusedAndChangesNothing) {
    const auto before = files();
    BootedTpm tpm(2);
    FakePcrlock pcrlock(tpm);
    const auto other = make_recovery_key();
    EXPECT_TRUE(is_error(run(tpm, pcrlock, alice_fingerprint, RecoverySecretKey(Secret::copy_of(other.secret_key.octets().expose()))),
                         ErrorKind::invalid_argument, "lethe-recovery-1:"));
    EXPECT_TRUE(is_error(run(tpm, pcrlock, bob().fingerprints.rsa_hex()), ErrorKind::invalid_argument, "tampered"));
    EXPECT_EQ(files(), before);
    EXPECT_FALSE(tpm.nv_index(policy_index_handle));
}

TEST_F(Reenroll, AVaultKeyThatSomebodyElsePutIntoTheBoxIsRefused) {
    auto record = *read_vault_record(store);
    record.recovery = box_vault_key(VaultKey(Secret::random(32)), pair.public_key);
    ASSERT_TRUE(replace_vault(store, record));
    BootedTpm tpm(2);
    FakePcrlock pcrlock(tpm);
    EXPECT_FALSE(run(tpm, pcrlock));
    EXPECT_FALSE(tpm.nv_index(policy_index_handle));
}

TEST_F(Reenroll, AStoreWithoutABoxSaysThatExportsAreNeeded) {
    auto record = *read_vault_record(store);
    record.recovery.reset();
    ASSERT_TRUE(replace_vault(store, record));
    BootedTpm tpm(2);
    FakePcrlock pcrlock(tpm);
    EXPECT_TRUE(is_error(run(tpm, pcrlock), ErrorKind::wrong_state, "exports"));
}

TEST_F(Reenroll, ABootThatCannotBeLockedLeavesTheIndexAsItWas) {
    const auto content = *old_tpm.nv_read(policy_index_handle);
    old_tpm.extend(4, digest_of(9));
    FakePcrlock pcrlock(old_tpm);
    pcrlock.left_out = {11};
    EXPECT_TRUE(is_error(run(old_tpm, pcrlock), ErrorKind::policy_mismatch, "11"));
    EXPECT_EQ(*old_tpm.nv_read(policy_index_handle), content);
}

TEST_F(Reenroll, AfterAFailureHalfWayTheSameCommandSucceeds) {
    BootedTpm tpm(2);
    FakePcrlock failing(tpm);
    failing.lies_about_nv = true;
    EXPECT_TRUE(is_error(run(tpm, failing), ErrorKind::policy_mismatch, "digest"));
    for (const auto& handles : {first_handles, second_handles})
        for (const auto handle : {handles.policy, handles.snapshots, handles.anchor}) EXPECT_FALSE(tpm.nv_index(handle)) << handle;
    EXPECT_FALSE(tpm.nv_index(enrolling_index_handle));
    FakePcrlock pcrlock(tpm);
    ASSERT_TRUE(is_success(run(tpm, pcrlock)));
    EXPECT_TRUE(is_success(open(tpm)));
}

}  // namespace
}  // namespace lethe
