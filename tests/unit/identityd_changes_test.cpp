#include <cctype>

#include "identity_machine.hpp"
#include "pcrlock/open_vault.hpp"
#include "vault/sealed_export.hpp"

namespace lethe {
namespace {

const std::string alice_fingerprint = alice().fingerprints.rsa_hex();
const std::string bob_fingerprint = bob().fingerprints.rsa_hex();

// A machine that is enrolled without relays, and its daemon.
struct Changes : testing::Test {
    Machine machine{{}};
    std::unique_ptr<Daemon> daemon = std::make_unique<Daemon>(machine);

    IdentityService& service() { return daemon->service; }
    void reboot() {
        daemon.reset();
        daemon = std::make_unique<Daemon>(machine);
    }
    Result<void> import(const std::string& name, const KeySet& keys, const std::optional<std::string>& replaces = {}) {
        return service().import_relay(name, copy_of(keys.files), replaces);
    }
    Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key) {
        return lethe::set_recovery_key(service(), machine.tpm, *Store::open(machine.folder.path()), key);
    }
    std::string fingerprint(const std::string& name) { return service().relays().at(name).fingerprint; }
    std::set<std::string> names_of_files() {
        std::set<std::string> names;
        for (const auto& [name, octets] : machine.files()) names.insert(name);
        return names;
    }
};

TEST_F(Changes, ImportedKeysAreSealedInstalledAndThereAfterAReboot) {
    ASSERT_TRUE(is_success(import("a", alice())));
    EXPECT_EQ(daemon->place.manifests["a"], manifest_of(alice().fingerprints));
    EXPECT_EQ(machine.roster(), (Roster{{"a", {RelayStage::created, alice().fingerprints.rsa}}}));
    reboot();
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << daemon->reason("a");
    EXPECT_EQ(fingerprint("a"), alice_fingerprint);
    EXPECT_EQ(daemon->place.made, 0);
}

TEST_F(Changes, ImportWithoutTheMasterKeySaysSo) {
    ASSERT_TRUE(is_success(service().import_relay("a", offline_files(alice()), std::nullopt)));
    EXPECT_FALSE(service().relays().at("a").has_master_key);
    EXPECT_EQ(fingerprint("a"), alice_fingerprint);
    ASSERT_TRUE(is_success(import("b", bob())));
    EXPECT_TRUE(service().relays().at("b").has_master_key);
}

TEST_F(Changes, ImportOfAFamilyKeyShowsItsId) {
    auto files = copy_of(alice().files);
    add(files, family_files("fleet"));
    ASSERT_TRUE(is_success(service().import_relay("a", std::move(files), std::nullopt)));
    EXPECT_THAT(service().relays().at("a").family_ids, testing::ElementsAre(family_id_of("fleet")));
}

TEST_F(Changes, ImportOfAPartialSetIsRefusedAndLeavesNothing) {
    const auto files = machine.files();
    auto keys = copy_of(alice().files);
    keys.erase(key_file::rsa_identity);
    EXPECT_TRUE(is_error(service().import_relay("a", std::move(keys), std::nullopt), ErrorKind::invalid_argument, key_file::rsa_identity));
    EXPECT_EQ(machine.files(), files);
    EXPECT_FALSE(service().relays().contains("a"));
    EXPECT_TRUE(is_success(service().create_relay("a")));
}

TEST_F(Changes, ImportOverAnIdentityNeedsItsFingerprint) {
    ASSERT_TRUE(is_success(import("a", alice())));
    EXPECT_TRUE(is_error(import("a", bob()), ErrorKind::already_exists, alice_fingerprint));
    EXPECT_TRUE(is_error(import("a", bob(), bob_fingerprint), ErrorKind::invalid_argument, "does not have the identity"));
    EXPECT_TRUE(is_error(import("a", bob(), "fingerprint"), ErrorKind::invalid_argument, "40 hexadecimal digits"));
    EXPECT_EQ(fingerprint("a"), alice_fingerprint);
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    EXPECT_EQ(fingerprint("a"), bob_fingerprint);
    EXPECT_EQ(daemon->place.manifests["a"], manifest_of(bob().fingerprints));
    reboot();
    EXPECT_EQ(fingerprint("a"), bob_fingerprint);
}

TEST_F(Changes, ReplacedIdentityIsInNeitherSlot) {
    ASSERT_TRUE(is_success(import("a", alice())));
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    for (const char* slot : {"identity-a.a", "identity-a.b"}) {
        const auto version = decrypt_object(machine.identity_key, {ObjectKind::identity, "a"}, as_octets(machine.files().at(slot)));
        ASSERT_TRUE(version) << slot;
        EXPECT_EQ(decode_identity(version->payload)->fingerprints, bob().fingerprints) << slot;
    }
}

TEST_F(Changes, ReplaceOfNothingIsRefused) {
    EXPECT_TRUE(is_error(import("a", alice(), bob_fingerprint), ErrorKind::invalid_argument, "does not have the identity"));
    EXPECT_TRUE(machine.roster().empty());
}

TEST_F(Changes, ReplacingWithTheSameIdentityBringsANewSigningKey) {
    ASSERT_TRUE(is_success(import("a", alice())));
    ASSERT_TRUE(is_success(service().import_relay("a", offline_files(alice()), alice_fingerprint)));
    EXPECT_FALSE(service().relays().at("a").has_master_key);
    EXPECT_EQ(fingerprint("a"), alice_fingerprint);
}

TEST_F(Changes, AnIdentityIsOnAMachineOnce) {
    ASSERT_TRUE(is_success(import("a", alice())));
    EXPECT_TRUE(is_error(import("b", alice()), ErrorKind::invalid_argument, "relay a"));
    EXPECT_FALSE(machine.roster().contains("b"));
}

TEST_F(Changes, ReplacingDamagedKeysNeedsTheFingerprintThatTheListHas) {
    ASSERT_TRUE(is_success(import("a", alice())));
    for (const auto& file : names_of_files())
        if (file.starts_with("identity-a")) machine.damage(file);
    reboot();
    ASSERT_EQ(daemon->state("a"), RelayState::damaged);
    EXPECT_EQ(fingerprint("a"), alice_fingerprint);
    EXPECT_FALSE(import("a", bob()));
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
}

TEST_F(Changes, ForgottenRelayLeavesNothing) {
    ASSERT_TRUE(is_success(import("a", alice())));
    ASSERT_TRUE(is_success(import("b", bob())));
    EXPECT_TRUE(is_error(service().forget_relay("a", bob_fingerprint), ErrorKind::invalid_argument, "another fingerprint"));
    EXPECT_TRUE(is_error(service().forget_relay("a", "none"), ErrorKind::invalid_argument, "another fingerprint"));
    EXPECT_TRUE(is_error(service().forget_relay("c", alice_fingerprint), ErrorKind::not_found, "no relay c"));
    EXPECT_EQ(fingerprint("a"), alice_fingerprint);
    std::string lower = alice_fingerprint;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    ASSERT_TRUE(is_success(service().forget_relay("a", "$" + lower)));
    EXPECT_FALSE(service().relays().contains("a"));
    EXPECT_FALSE(daemon->place.manifests.contains("a"));
    for (const auto& file : names_of_files()) EXPECT_FALSE(file.starts_with("identity-a")) << file;
    reboot();
    EXPECT_FALSE(service().relays().contains("a"));
    EXPECT_EQ(daemon->state("b"), RelayState::installed);
    EXPECT_EQ(daemon->place.made, 0);
}

TEST_F(Changes, DamagedRelayIsForgottenByTheFingerprintInTheList) {
    ASSERT_TRUE(is_success(import("a", alice())));
    for (const auto& file : names_of_files())
        if (file.starts_with("identity-a")) machine.damage(file);
    reboot();
    EXPECT_FALSE(service().forget_relay("a", "none"));
    EXPECT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    EXPECT_TRUE(machine.roster().empty());
}

TEST_F(Changes, UnlistedIdentityCanBeForgotten) {
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "z"}, encode_identity(bob())));
    machine.forget_ledger();
    reboot();
    ASSERT_EQ(daemon->state("z"), RelayState::unlisted);
    EXPECT_TRUE(is_success(service().forget_relay("z", bob_fingerprint)));
    EXPECT_FALSE(names_of_files().contains("identity-z.a"));
}

TEST_F(Changes, ForgettingThatWasCutIsFinishedAtTheNextStart) {
    ASSERT_TRUE(is_success(import("a", alice())));
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(write_roster(store, machine.relays_key, {{"a", {RelayStage::forgotten, alice().fingerprints.rsa}}}));
    machine.forget_ledger();
    reboot();
    EXPECT_FALSE(service().relays().contains("a"));
    EXPECT_TRUE(machine.roster().empty());
    EXPECT_FALSE(names_of_files().contains("identity-a.a"));
}

TEST_F(Changes, ArrivalThatWasCutIsGoneOrWhole) {
    auto store = *Store::open(machine.folder.path());
    const Roster arriving{{"a", {RelayStage::arriving, alice().fingerprints.rsa}}};
    ASSERT_TRUE(write_roster(store, machine.relays_key, arriving));
    machine.forget_ledger();
    reboot();
    EXPECT_TRUE(machine.roster().empty());
    EXPECT_EQ(daemon->place.made, 0);

    ASSERT_TRUE(write_roster(store, machine.relays_key, arriving));
    std::ofstream(machine.folder / "identity-a.a") << "torn";
    machine.forget_ledger();
    reboot();
    EXPECT_TRUE(machine.roster().empty());
    EXPECT_FALSE(names_of_files().contains("identity-a.a"));

    ASSERT_TRUE(write_roster(store, machine.relays_key, arriving));
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "a"}, encode_identity(alice())));
    machine.forget_ledger();
    reboot();
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << daemon->reason("a");
    EXPECT_EQ(machine.roster().at("a").stage, RelayStage::created);
}

TEST_F(Changes, PendingRelayWithTwoTornSlotsIsCreatedOnRequest) {
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(write_roster(store, machine.relays_key, {{"a", {}}}));
    for (const char* file : {"identity-a.a", "identity-a.b"}) std::ofstream(machine.folder / file) << "torn";
    machine.forget_ledger();
    reboot();
    ASSERT_EQ(daemon->state("a"), RelayState::pending);
    EXPECT_TRUE(is_success(service().create_relay("a")));
    EXPECT_EQ(daemon->state("a"), RelayState::installed);
}

TEST_F(Changes, AnotherIdentityThanTheListSaysIsDamage) {
    ASSERT_TRUE(is_success(import("a", alice())));
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "a"}, encode_identity(bob())));
    machine.forget_ledger();
    reboot();
    EXPECT_EQ(daemon->state("a"), RelayState::damaged);
    EXPECT_THAT(daemon->reason("a"), HasSubstr(alice_fingerprint));
    EXPECT_FALSE(daemon->place.manifests.contains("a"));
}

struct Transfer : Changes {
    RecoveryKeyPair pair = make_recovery_key();
    const Secret passphrase = Secret::copy_of(as_octets("correct horse battery"));
};

TEST_F(Transfer, ExportNeedsSomebodyToSealTo) {
    ASSERT_TRUE(is_success(import("a", alice())));
    EXPECT_TRUE(is_error(service().export_relay("a", std::nullopt), ErrorKind::wrong_state, "recovery-key set"));
    EXPECT_TRUE(is_error(service().export_relay("b", passphrase.prefix(21)), ErrorKind::not_found, "identity-b"));
    EXPECT_TRUE(is_error(service().export_relay("a", passphrase.prefix(3)), ErrorKind::invalid_argument, "12"));
}

TEST_F(Transfer, ExportToTheRecoveryKeyComesBackOnAnotherMachine) {
    ASSERT_TRUE(is_success(import("a", alice())));
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    const auto file = service().export_relay("a", std::nullopt);
    ASSERT_TRUE(is_success(file));

    Machine other{{}};
    Daemon there(other);
    const auto secret = encode_recovery_secret(pair.secret_key);
    EXPECT_TRUE(
        is_error(there.service.recover_relay(*file, passphrase, alice_fingerprint, {}, {}), ErrorKind::invalid_argument, "recovery"));
    using enum ForeignExport;
    const auto name = there.service.recover_relay(*file, secret, alice_fingerprint, {}, {}, is_taken);
    ASSERT_TRUE(is_success(name));
    EXPECT_EQ(*name, "a");
    EXPECT_EQ(there.service.relays().at("a").fingerprints, alice().fingerprints);
    EXPECT_TRUE(
        is_error(there.service.recover_relay(*file, secret, alice_fingerprint, {}, {}, is_taken), ErrorKind::already_exists, "--replace"));
    EXPECT_TRUE(
        is_error(there.service.recover_relay(*file, secret, alice_fingerprint, "b", {}, is_taken), ErrorKind::invalid_argument, "relay a"));
}

TEST_F(Transfer, ExportUnderAPassphraseComesBackUnderAnotherName) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto file = service().export_relay("a", passphrase.prefix(passphrase.size()));
    ASSERT_TRUE(is_success(file));
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    EXPECT_FALSE(service().recover_relay(*file, Secret::copy_of(as_octets("another passphrase")), alice_fingerprint, {}, {}));
    EXPECT_TRUE(
        is_error(service().recover_relay(*file, passphrase, alice_fingerprint, "Not A Name", {}), ErrorKind::invalid_argument, "name"));
    EXPECT_EQ(*service().recover_relay(*file, passphrase, alice_fingerprint, "z", {}), "z");
    EXPECT_EQ(fingerprint("z"), alice_fingerprint);
}

// Somebody who has the public recovery key makes an export with keys of their own.
TEST_F(Transfer, AForgedExportIsRefusedByItsFingerprintBeforeAnythingIsWritten) {
    const auto forged = seal_export("a", encode_identity(bob()), pair.public_key);
    ASSERT_TRUE(is_success(forged));
    const auto secret = encode_recovery_secret(pair.secret_key);
    const auto files = machine.files();
    EXPECT_TRUE(is_error(service().recover_relay(*forged, secret, alice_fingerprint, {}, {}), ErrorKind::invalid_argument, "asked for"));
    EXPECT_TRUE(is_error(service().recover_relay(*forged, secret, "", {}, {}), ErrorKind::invalid_argument, "40 hexadecimal"));
    EXPECT_EQ(machine.files(), files);
    EXPECT_TRUE(service().relays().empty());
}

// The fingerprint that the operator spells out is of the RSA key.
TEST_F(Transfer, AForgedExportWithTheRelaysRsaKeyIsRefusedAndChangesNothing) {
    KeyFiles mixed = copy_of(bob().files);
    mixed.insert_or_assign("secret_id_key", Secret::copy_of(alice().files.at("secret_id_key").expose()));
    const auto keys = parse_key_files(std::move(mixed), Scrutiny::whole);
    ASSERT_TRUE(is_success(keys));
    const auto forged = seal_export("a", encode_identity(*keys), pair.public_key);
    const auto secret = encode_recovery_secret(pair.secret_key);
    const auto files = machine.files();
    const auto refused = service().recover_relay(*forged, secret, alice_fingerprint, {}, {});
    EXPECT_TRUE(is_error(refused, ErrorKind::invalid_argument, "--foreign"));
    EXPECT_TRUE(is_error(refused, ErrorKind::invalid_argument, bob().fingerprints.ed25519_base64()));
    EXPECT_EQ(machine.files(), files);
    EXPECT_TRUE(service().relays().empty());
}

TEST_F(Transfer, AnExportFromBeforeANewVaultKeyIsForeign) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto file = service().export_relay("a", passphrase.prefix(passphrase.size()));
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    const auto files = machine.files();
    EXPECT_TRUE(is_error(service().recover_relay(*file, passphrase, alice_fingerprint, {}, {}), ErrorKind::invalid_argument, "--foreign"));
    EXPECT_EQ(machine.files(), files);
    EXPECT_TRUE(is_success(service().recover_relay(*file, passphrase, alice_fingerprint, {}, {}, ForeignExport::is_taken)));
}

TEST_F(Transfer, AnExportOfAnotherVaultIsTakenOnTheOperatorsWordAndSaidToBeOne) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto ours = service().export_relay("a", passphrase.prefix(passphrase.size()));
    ASSERT_TRUE(is_success(service().forget_relay("a", alice_fingerprint)));
    ASSERT_TRUE(is_success(service().recover_relay(*ours, passphrase, alice_fingerprint, {}, {})));
    EXPECT_EQ(service().relays().at("a").reason, "");

    Machine other{{}};
    Daemon there(other);
    EXPECT_TRUE(is_error(there.service.recover_relay(*ours, passphrase, alice_fingerprint, {}, {}), ErrorKind::invalid_argument,
                         "this vault did not make the export"));
    EXPECT_TRUE(there.service.relays().empty());
    ASSERT_TRUE(is_success(there.service.recover_relay(*ours, passphrase, alice_fingerprint, {}, {}, ForeignExport::is_taken)));
    EXPECT_THAT(there.reason("a"), HasSubstr("this vault did not make"));
    const auto unsigned_one = seal_export_with_passphrase("b", encode_identity(bob()), passphrase);
    ASSERT_TRUE(
        is_success(service().recover_relay(*unsigned_one, passphrase, bob().fingerprints.rsa_hex(), {}, {}, ForeignExport::is_taken)));
    EXPECT_THAT(service().relays().at("b").reason, HasSubstr("this vault did not make"));
}

TEST_F(Transfer, RecoveryKeySetBeforeOrAfterReachesTheVaultRecordInBothSlots) {
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    EXPECT_EQ(service().recovery_key(), pair.public_key);
    auto store = *Store::open(machine.folder.path());
    const auto boxes = [&] {
        std::vector<std::optional<RecoveryPublicKey>> recipients;
        const auto versions = *store.read_framed({ObjectKind::vault, ""});
        for (const auto& version : versions) {
            const auto record = *decode_vault_record(version.payload.expose());
            recipients.push_back(record.recovery.transform([](const RecoveryBox& box) { return box.recipient; }));
        }
        return recipients;
    };
    EXPECT_THAT(boxes(), testing::ElementsAre(pair.public_key, pair.public_key));
    const auto key = unbox_vault_key(*read_vault_record(store)->recovery, pair.secret_key, second_handles);
    ASSERT_TRUE(is_success(key));
    EXPECT_NE(key->kind_key(ObjectKind::identity), machine.identity_key) << "it is the vault key of before";
    EXPECT_EQ(key->kind_key(ObjectKind::identity), open_vault_of(store, machine.tpm)->kind_key(ObjectKind::identity));

    const auto next = make_recovery_key();
    ASSERT_TRUE(is_success(set_recovery_key(next.public_key)));
    EXPECT_THAT(boxes(), testing::ElementsAre(next.public_key, next.public_key));
    reboot();
    EXPECT_EQ(service().recovery_key(), next.public_key);
    ASSERT_TRUE(is_success(set_recovery_key(std::nullopt)));
    EXPECT_THAT(boxes(), testing::ElementsAre(std::nullopt, std::nullopt));
    EXPECT_EQ(service().recovery_key(), std::nullopt);
}

TEST_F(Transfer, ARecordThatSomebodyElseHasWrittenIsRefused) {
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    auto store = *Store::open(machine.folder.path());
    auto record = *read_vault_record(store);
    record.recovery.reset();
    ASSERT_TRUE(replace_vault(store, record));
    reboot();
    EXPECT_EQ(service().vault().state, VaultState::shut);
    EXPECT_EQ(service().vault().reason->kind, ErrorKind::rollback);
}

TEST_F(Transfer, DamagedSettingLeavesTheBoxAndIsReported) {
    ASSERT_TRUE(is_success(set_recovery_key(pair.public_key)));
    machine.damage("recovery.a");
    reboot();
    EXPECT_FALSE(service().recovery_trouble()) << "the other copy is whole";
    machine.damage("recovery.b");
    reboot();
    EXPECT_EQ(daemon->service.vault().state, VaultState::open);
    ASSERT_TRUE(service().recovery_trouble());
    EXPECT_TRUE(read_vault_record(*Store::open(machine.folder.path()))->recovery);
}

TEST_F(Transfer, ShutVaultChangesNothing) {
    ASSERT_TRUE(is_success(import("a", alice())));
    const auto file = service().export_relay("a", passphrase.prefix(passphrase.size()));
    machine.tpm.extend(11, digest_of(9));
    reboot();
    const auto files = machine.files();
    EXPECT_TRUE(is_error(import("b", bob()), ErrorKind::wrong_state, "not open"));
    EXPECT_TRUE(is_error(service().export_relay("a", passphrase.prefix(21)), ErrorKind::wrong_state, "not open"));
    EXPECT_TRUE(is_error(service().recover_relay(*file, passphrase, alice_fingerprint, "b", {}), ErrorKind::wrong_state, "not open"));
    EXPECT_TRUE(is_error(service().forget_relay("a", alice_fingerprint), ErrorKind::wrong_state, "not open"));
    EXPECT_TRUE(is_error(set_recovery_key(pair.public_key), ErrorKind::wrong_state, "not open"));
    EXPECT_EQ(machine.files(), files);
}

TEST_F(Transfer, PinnedRelayTakesItsOwnKeysAndNoOthers) {
    ASSERT_TRUE(is_success(import("a", alice())));
    service().pin({{"a", bob().fingerprints.rsa}, {"c", bob().fingerprints.rsa}});
    service().restore();
    EXPECT_EQ(daemon->state("a"), RelayState::damaged);
    EXPECT_THAT(daemon->reason("a"), HasSubstr("pins relay a to " + bob().fingerprints.rsa_hex()));
    EXPECT_FALSE(daemon->place.manifests.contains("a"));
    EXPECT_TRUE(is_error(service().create_relay("c"), ErrorKind::invalid_argument, "no new keys"));
    EXPECT_EQ(daemon->place.made, 0);
    EXPECT_TRUE(is_error(import("c", alice()), ErrorKind::invalid_argument, "pins relay c"));
    ASSERT_TRUE(is_success(import("a", bob(), alice_fingerprint)));
    EXPECT_EQ(daemon->state("a"), RelayState::installed) << daemon->reason("a");
    EXPECT_EQ(daemon->place.manifests.at("a"), manifest_of(bob().fingerprints));
}

}  // namespace
}  // namespace lethe
