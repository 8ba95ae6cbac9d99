#include "identityd/service.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.hpp"
#include "fake_pcrlock.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;

// The daemon opens its TPM anew at each restore; this one stays.
class BorrowedTpm final : public Tpm {
public:
    explicit BorrowedTpm(Tpm& tpm) : tpm_(tpm) {}
    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override { return tpm_.read_pcrs(pcrs); }
    Result<TpmReference> storage_root() override { return tpm_.storage_root(); }
    Result<TpmReference> nv_index(std::uint32_t handle) override { return tpm_.nv_index(handle); }
    Result<Octets> nv_read(std::uint32_t handle) override { return tpm_.nv_read(handle); }
    Result<void> nv_undefine(std::uint32_t handle) override { return tpm_.nv_undefine(handle); }
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override {
        return tpm_.seal(root, secret, policy);
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return tpm_.unseal(root, index, object, policy);
    }

private:
    Tpm& tpm_;
};

KeySet copy_of(const KeySet& keys) { return {copy_of(keys.files), keys.fingerprints, keys.signing_key_expires}; }

// A tmpfs that a test can look into. Makes alice's keys, then bob's, then fails.
class FakeKeyPlace final : public KeyPlace {
public:
    int made = 0;
    std::map<std::string, Manifest> manifests;
    std::set<std::string> refused;

    Result<KeySet> make() override {
        if (made == 2) return fail(ErrorKind::io, "tor failed");
        return copy_of(keys_of_relay(made++));
    }
    Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) override {
        if (refused.contains(relay)) return fail(ErrorKind::not_found, "there is no user _tor-{}", relay);
        manifests[relay] = manifest_of(keys.fingerprints);
        return "/keys/" + relay;
    }
    Result<Manifest> installed(const std::string& relay) override {
        if (!manifests.contains(relay)) return fail(ErrorKind::not_found, "no manifest");
        return manifests[relay];
    }
    Result<void> withdraw_others(const std::set<std::string>& admitted) override {
        std::erase_if(manifests, [&](const auto& manifest) { return !admitted.contains(manifest.first); });
        return {};
    }
};

// An enrolled machine. A restart of the daemon, or a boot, is another Daemon on it.
struct Machine {
    TemporaryFolder folder;
    FakeTpm tpm;
    Secret relays_key, identity_key;

    explicit Machine(const Roster& roster = {{"a", {RelayStage::pending}}, {"b", {RelayStage::pending}}}) {
        const PcrPolicy policy{{11, {(*tpm.read_pcrs(std::array{11u})).at(11)}}};
        tpm.authorize(policy_index_handle, policy);
        auto store = *Store::open(folder.path());
        const auto vault = *seal_new_vault(tpm, policy_index_handle);
        relays_key = vault.key.kind_key(ObjectKind::relays);
        identity_key = vault.key.kind_key(ObjectKind::identity);
        EXPECT_TRUE(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
        EXPECT_TRUE(write_roster(store, relays_key, roster));
        EXPECT_TRUE(store_vault(store, vault.record));
    }
    void damage(const std::string& file) {
        std::fstream slot(folder / file, std::ios::in | std::ios::out | std::ios::binary);
        ASSERT_TRUE(slot) << file;
        slot.seekp(100).put('x').put('y').put('z');
    }
    std::map<std::string, std::string> files() {
        std::map<std::string, std::string> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
            files[entry.path().filename()] = as_text(*read_file(entry.path(), 1 << 20));
        return files;
    }
    Roster roster() { return *read_roster(*Store::open(folder.path()), relays_key); }
};

struct Daemon {
    FakeKeyPlace place;
    IdentityService service;

    explicit Daemon(Machine& machine)
        : service(machine.folder.path(), [&] { return Result<std::unique_ptr<Tpm>>(std::make_unique<BorrowedTpm>(machine.tpm)); }, place) {
        service.restore();
    }
    RelayState state(const std::string& relay) { return service.relays().at(relay).state; }
    std::string reason(const std::string& relay) { return service.relays().at(relay).reason; }
};

TEST(IdentityService, FirstStartMakesThePendingRelaysAndInstallsThem) {
    Machine machine;
    Daemon daemon(machine);
    EXPECT_EQ(daemon.service.vault().state, VaultState::open);
    ASSERT_EQ(daemon.service.relays().size(), 2u);
    EXPECT_EQ(daemon.state("a"), RelayState::installed) << daemon.reason("a");
    EXPECT_EQ(daemon.state("b"), RelayState::installed) << daemon.reason("b");
    EXPECT_EQ(daemon.place.manifests["a"], manifest_of(alice().fingerprints));
    EXPECT_EQ(daemon.place.manifests["b"], manifest_of(bob().fingerprints));
    EXPECT_EQ(machine.roster(),
              (Roster{{"a", {RelayStage::created, alice().fingerprints.rsa}}, {"b", {RelayStage::created, bob().fingerprints.rsa}}}));
}

TEST(IdentityService, RestartBringsTheSameFingerprintsAndMakesAndWritesNothing) {
    Machine machine;
    const auto before = Daemon(machine).service.relays();
    const auto files = machine.files();
    Daemon daemon(machine);
    EXPECT_EQ(daemon.service.relays(), before);
    EXPECT_EQ(daemon.place.made, 0);
    EXPECT_EQ(machine.files(), files);
}

TEST(IdentityService, ShutVaultInstallsNothingChangesNothingAndSaysWhy) {
    Machine machine;
    {
        Daemon first(machine);
    }
    const auto files = machine.files();
    machine.tpm.extend(11, digest_of(1));
    Daemon daemon(machine);
    EXPECT_EQ(daemon.service.vault().state, VaultState::shut);
    ASSERT_TRUE(daemon.service.vault().reason);
    EXPECT_EQ(daemon.service.vault().reason->kind, ErrorKind::policy_mismatch);
    EXPECT_THAT(daemon.service.vault().reason->message, HasSubstr("11"));
    EXPECT_EQ(daemon.state("a"), RelayState::shut);
    EXPECT_EQ(daemon.state("b"), RelayState::shut);
    EXPECT_TRUE(daemon.place.manifests.empty());
    EXPECT_EQ(daemon.place.made, 0);
    EXPECT_EQ(machine.files(), files);
}

TEST(IdentityService, ShutVaultWithPendingRelaysMakesNoKeys) {
    Machine machine;
    machine.tpm.extend(11, digest_of(1));
    Daemon daemon(machine);
    EXPECT_EQ(daemon.place.made, 0);
    EXPECT_TRUE(daemon.service.relays().empty());
}

TEST(IdentityService, VaultThatShutsLaterTakesTheManifestsAway) {
    Machine machine;
    Daemon daemon(machine);
    machine.tpm.extend(11, digest_of(1));
    daemon.service.restore();
    EXPECT_TRUE(daemon.place.manifests.empty());
    EXPECT_EQ(daemon.state("a"), RelayState::shut);
}

TEST(IdentityService, MachineThatIsNotEnrolledSaysSo) {
    TemporaryFolder folder;
    FakeKeyPlace place;
    IdentityService service(
        folder.path(), []() -> Result<std::unique_ptr<Tpm>> { return fail(ErrorKind::tpm_unavailable, "no TPM"); }, place);
    service.restore();
    EXPECT_EQ(service.vault().state, VaultState::not_enrolled);
    EXPECT_TRUE(is_error(service.create_relay("a"), ErrorKind::wrong_state, "not enrolled"));
}

TEST(IdentityService, MissingStoreOrTpmIsAShutVault) {
    Machine machine;
    FakeKeyPlace place;
    const auto no_tpm = []() -> Result<std::unique_ptr<Tpm>> { return fail(ErrorKind::tpm_unavailable, "no TPM"); };
    IdentityService without_store("/nonexistent/store", no_tpm, place);
    without_store.restore();
    EXPECT_EQ(without_store.vault().state, VaultState::shut);
    IdentityService without_tpm(machine.folder.path(), no_tpm, place);
    without_tpm.restore();
    EXPECT_EQ(without_tpm.vault().state, VaultState::shut);
    EXPECT_EQ(without_tpm.vault().reason->kind, ErrorKind::tpm_unavailable);
}

TEST(IdentityService, OneDamagedSlotIsMendedFromTheOtherAndReported) {
    Machine machine;
    const auto before = Daemon(machine).service.relays();
    {
        Daemon second(machine);
    }
    auto store = *Store::open(machine.folder.path());
    const auto identity = store.read(machine.identity_key, {ObjectKind::identity, "a"});
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "a"}, identity->payload));
    machine.damage("identity-a.b");
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::installed) << daemon.reason("a");
    EXPECT_THAT(daemon.reason("a"), HasSubstr("damaged"));
    EXPECT_EQ(daemon.service.relays().at("a").fingerprints, before.at("a").fingerprints);
    EXPECT_EQ(Daemon(machine).reason("a"), "");
}

TEST(IdentityService, TwoDamagedSlotsAreDamagedLeftAloneAndLeaveTheOtherRelayRunning) {
    Machine machine;
    {
        Daemon first(machine);
    }
    machine.damage("identity-a.a");
    if (std::filesystem::exists(machine.folder / "identity-a.b")) machine.damage("identity-a.b");
    const auto files = machine.files();
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::damaged);
    EXPECT_THAT(daemon.reason("a"), HasSubstr("put identity-a"));
    EXPECT_EQ(daemon.state("b"), RelayState::installed);
    EXPECT_FALSE(daemon.place.manifests.contains("a"));
    EXPECT_EQ(daemon.place.made, 0);
    EXPECT_TRUE(is_error(daemon.service.create_relay("a"), ErrorKind::already_exists, "exist"));
    EXPECT_EQ(machine.files(), files);
}

TEST(IdentityService, CreatedRelayWithoutItsIdentityIsDamagedAndNotMadeAgain) {
    Machine machine;
    {
        Daemon first(machine);
    }
    for (const char* file : {"identity-a.a", "identity-a.b"}) std::filesystem::remove(machine.folder / file);
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::damaged);
    EXPECT_EQ(daemon.place.made, 0);
    EXPECT_TRUE(is_error(daemon.service.create_relay("a"), ErrorKind::already_exists, "missing"));
    EXPECT_EQ(daemon.state("b"), RelayState::installed);
}

TEST(IdentityService, SwappedIdentitiesAreDamaged) {
    Machine machine;
    {
        Daemon first(machine);
    }
    for (const char* slot : {"a", "b"}) {
        if (!std::filesystem::exists(machine.folder / ("identity-b." + std::string(slot)))) continue;
        std::filesystem::copy_file(machine.folder / ("identity-b." + std::string(slot)),
                                   machine.folder / ("identity-a." + std::string(slot)), std::filesystem::copy_options::overwrite_existing);
    }
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::damaged);
    EXPECT_EQ(daemon.state("b"), RelayState::installed);
}

TEST(IdentityService, PendingRelayWithAnIdentityTakesThatOne) {
    Machine machine;
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "a"}, encode_identity(bob())));
    Daemon daemon(machine);  // power went between the write of the identity and that of the list
    EXPECT_EQ(daemon.state("a"), RelayState::installed) << daemon.reason("a");
    EXPECT_EQ(daemon.place.manifests["a"], manifest_of(bob().fingerprints));
    EXPECT_EQ(daemon.place.made, 1);
    EXPECT_EQ(machine.roster().at("a").stage, RelayStage::created);
}

TEST(IdentityService, PendingRelayWhoseFirstWriteWasCutIsMadeInTheOtherSlot) {
    Machine machine;
    std::ofstream(machine.folder / "identity-a.a") << "torn";
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::installed) << daemon.reason("a");
    EXPECT_EQ(machine.roster().at("a").stage, RelayStage::created);
    Daemon next(machine);
    EXPECT_EQ(next.place.manifests["a"], daemon.place.manifests["a"]);
    EXPECT_EQ(next.place.made, 0);
}

TEST(IdentityService, PendingRelayWithTwoUnreadableSlotsIsNotMadeAgain) {
    Machine machine;
    for (const char* file : {"identity-a.a", "identity-a.b"}) std::ofstream(machine.folder / file) << "torn";
    const auto torn = machine.files();
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::pending);
    EXPECT_THAT(daemon.reason("a"), HasSubstr("both slots are damaged"));
    for (const char* file : {"identity-a.a", "identity-a.b"}) EXPECT_EQ(machine.files()[file], torn.at(file));
    EXPECT_EQ(daemon.state("b"), RelayState::installed);
}

TEST(IdentityService, PendingRelayWhoseKeysCannotBeMadeStaysPending) {
    Machine machine({{"a", {RelayStage::pending}}, {"b", {RelayStage::pending}}, {"c", {RelayStage::pending}}});
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("c"), RelayState::pending);
    EXPECT_THAT(daemon.reason("c"), HasSubstr("tor failed"));
    EXPECT_EQ(daemon.state("a"), RelayState::installed);
    EXPECT_EQ(machine.roster().at("c").stage, RelayStage::pending);
}

TEST(IdentityService, IdentityThatIsNotListedIsReportedAndNotInstalled) {
    Machine machine({});
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "z"}, encode_identity(bob())));
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("z"), RelayState::unlisted);
    EXPECT_TRUE(daemon.place.manifests.empty());
}

TEST(IdentityService, DamagedListOfRelaysInstallsAndMakesNothing) {
    Machine machine;
    {
        Daemon first(machine);
    }
    for (const char* file : {"relays.a", "relays.b"})
        if (std::filesystem::exists(machine.folder / file)) machine.damage(file);
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("a"), RelayState::damaged);
    EXPECT_TRUE(daemon.place.manifests.empty());
    EXPECT_EQ(daemon.place.made, 0);
    EXPECT_TRUE(is_error(daemon.service.create_relay("c"), ErrorKind::corrupt, "list of relays"));
}

TEST(IdentityService, RelayWithoutAUserIsDamagedAndLeavesTheOther) {
    Machine machine;
    {
        Daemon first(machine);
    }
    Daemon daemon(machine);
    daemon.place.refused = {"a"};
    daemon.service.restore();
    EXPECT_EQ(daemon.state("a"), RelayState::damaged);
    EXPECT_THAT(daemon.reason("a"), HasSubstr("_tor-a"));
    EXPECT_EQ(daemon.state("b"), RelayState::installed);
    EXPECT_FALSE(daemon.place.manifests.contains("a"));
}

TEST(IdentityService, CreateMakesOneRelayOnceAndKeepsItAcrossRestarts) {
    Machine machine({});
    Daemon daemon(machine);
    const auto created = daemon.service.create_relay("c");
    ASSERT_TRUE(created) << created.error().message;
    EXPECT_EQ(daemon.state("c"), RelayState::installed);
    const auto files = machine.files();
    EXPECT_TRUE(is_error(daemon.service.create_relay("c"), ErrorKind::already_exists, "exist"));
    EXPECT_EQ(machine.files(), files);
    EXPECT_EQ(Daemon(machine).service.relays(), daemon.service.relays());
}

TEST(IdentityService, CreateRefusesWhatIsNoName) {
    Machine machine({});
    Daemon daemon(machine);
    for (const char* name : {"", "A", "a-b", "../a", "abcdefghijklmnopqrst"})
        EXPECT_TRUE(is_error(daemon.service.create_relay(name), ErrorKind::invalid_argument, "")) << name;
    EXPECT_EQ(daemon.place.made, 0);
}

TEST(IdentityService, CreateWithAShutVaultIsRefused) {
    Machine machine({});
    machine.tpm.extend(11, digest_of(1));
    Daemon daemon(machine);
    EXPECT_TRUE(is_error(daemon.service.create_relay("c"), ErrorKind::wrong_state, "11"));
    EXPECT_EQ(daemon.place.made, 0);
}

TEST(IdentityService, CreateThatFailsIsMadeAtTheNextStart) {
    Machine machine({});
    {
        Daemon daemon(machine);
        daemon.place.made = 2;
        EXPECT_TRUE(is_error(daemon.service.create_relay("c"), ErrorKind::io, "tor failed"));
        EXPECT_EQ(daemon.state("c"), RelayState::pending);
    }
    Daemon daemon(machine);
    EXPECT_EQ(daemon.state("c"), RelayState::installed) << daemon.reason("c");
}

TEST(IdentityService, VerifyHoldsForWhatIsInstalledAndForNothingElse) {
    Machine machine;
    Daemon daemon(machine);
    EXPECT_TRUE(is_success(daemon.service.verify("a")));
    EXPECT_TRUE(is_error(daemon.service.verify("nobody"), ErrorKind::not_found, "nobody"));
    daemon.place.manifests["a"].fingerprint[0] ^= 1;
    EXPECT_TRUE(is_error(daemon.service.verify("a"), ErrorKind::corrupt, "installed"));
    EXPECT_TRUE(is_success(daemon.service.verify("b")));
    machine.damage("identity-b.a");
    if (std::filesystem::exists(machine.folder / "identity-b.b")) machine.damage("identity-b.b");
    EXPECT_TRUE(is_error(daemon.service.verify("b"), ErrorKind::corrupt, ""));
}

TEST(IdentityService, VerifyFindsAnotherRelaysIdentityUnderAName) {
    Machine machine;
    Daemon daemon(machine);
    auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(store.write(machine.identity_key, {ObjectKind::identity, "a"}, encode_identity(bob())));
    EXPECT_TRUE(is_error(daemon.service.verify("a"), ErrorKind::corrupt, "installed is"));
}

}  // namespace
}  // namespace lethe
