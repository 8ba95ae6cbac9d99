#include "identity_machine.hpp"

namespace lethe {
namespace {

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
        folder_store(folder.path()), []() -> Result<std::unique_ptr<Tpm>> { return fail(ErrorKind::tpm_unavailable, "no TPM"); }, place);
    service.restore();
    EXPECT_EQ(service.vault().state, VaultState::not_enrolled);
    EXPECT_TRUE(is_error(service.create_relay("a"), ErrorKind::wrong_state, "not enrolled"));
}

TEST(IdentityService, SaysWhatTheFirmwareAndThePolicyAllowAnAttacker) {
    Machine machine;  // enrolled with a policy of PCR 11 alone
    FakeKeyPlace place;
    FirmwareState firmware{SecureBoot::on, {"SystemdOptions is set"}};
    const auto no_tpm = []() -> Result<std::unique_ptr<Tpm>> { return fail(ErrorKind::tpm_unavailable, "no TPM"); };
    IdentityService service(folder_store(machine.folder.path()), no_tpm, place, [&] { return firmware; });
    service.restore();
    EXPECT_EQ(service.insecurity(), Insecurity{});
    EXPECT_THAT(service.firmware().warnings, testing::ElementsAre("SystemdOptions is set"));
    firmware.secure_boot = SecureBoot::off;
    service.restore();
    EXPECT_THAT(service.insecurity().what, HasSubstr("Secure Boot is off"));

    Daemon open(machine);
    EXPECT_EQ(open.service.vault().state, VaultState::open) << "nothing that an earlier release enrolled may be lost";
    EXPECT_THAT(open.service.insecurity().what, HasSubstr("neither PCR 7 nor PCR 2"));
}

TEST(IdentityService, MissingStoreOrTpmIsAShutVault) {
    Machine machine;
    FakeKeyPlace place;
    const auto no_tpm = []() -> Result<std::unique_ptr<Tpm>> { return fail(ErrorKind::tpm_unavailable, "no TPM"); };
    IdentityService without_store(folder_store("/nonexistent/store"), no_tpm, place);
    without_store.restore();
    EXPECT_EQ(without_store.vault().state, VaultState::shut);
    IdentityService without_tpm(folder_store(machine.folder.path()), no_tpm, place);
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
    EXPECT_THAT(daemon.reason("a"), HasSubstr("put it back from a copy"));
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
    const auto write_another = [&] { return store.write(machine.identity_key, {ObjectKind::identity, "a"}, encode_identity(bob())); };
    ASSERT_TRUE(write_another());
    EXPECT_TRUE(is_success(daemon.service.verify("a"))) << "the other copy is the relay's";
    ASSERT_TRUE(write_another());
    EXPECT_TRUE(is_error(daemon.service.verify("a"), ErrorKind::rollback, "older than this machine"));
}

TEST(IdentityService, VerifyFindsAnotherIdentityInstalled) {
    Machine machine;
    Daemon daemon(machine);
    daemon.place.manifests["a"] = manifest_of(bob().fingerprints);
    EXPECT_TRUE(is_error(daemon.service.verify("a"), ErrorKind::corrupt, "installed is"));
}

}  // namespace
}  // namespace lethe
