#include "state_machine.hpp"

namespace lethe {
namespace {

TEST(StateService, BringsBackStateAndOnionKeysAtTheNextBoot) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    StateDaemon next(machine);
    EXPECT_EQ(next.service.standing(), StateStanding::open);
    for (const auto& [name, bandwidth] : {std::pair<std::string, std::uint64_t>{"a", 1 << 20}, {"b", 2 << 20}}) {
        EXPECT_EQ(next.place.laid_out.at(name), state_files(state_of(bandwidth)));
        EXPECT_EQ(next.relay(name).source, StateSource::snapshot);
        EXPECT_EQ(next.relay(name).restored_bandwidth, bandwidth);
        EXPECT_EQ(next.relay(name).taken, some_day);
        EXPECT_EQ(next.relay(name).reason, "");
    }
}

TEST(StateService, HasNothingToSayOfARelayThatNeverHadState) {
    Machine machine;
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.service.standing(), StateStanding::open);
    EXPECT_EQ(daemon.relay("a").source, StateSource::nothing);
    EXPECT_EQ(daemon.place.nothing, (std::map<std::string, std::string>{{"a", ""}, {"b", ""}}));
}

TEST(StateService, TakesASnapshotWhenSomethingHasChangedAndNoneOtherwise) {
    Machine machine;
    StateDaemon daemon(machine);
    daemon.tor_writes("a", state_of(1 << 20));
    const auto first = daemon.service.snapshot(SnapshotCause::change);
    ASSERT_TRUE(first);
    const auto files = machine.files();
    EXPECT_EQ(daemon.service.snapshot(SnapshotCause::timer).value_or(0), *first);
    EXPECT_EQ(machine.files(), files);
    EXPECT_EQ(daemon.service.budget_left(), 47u);
    daemon.tor_writes("a", state_of(2 << 20));
    EXPECT_EQ(daemon.service.snapshot(SnapshotCause::timer).value_or(0), *first + 1);
    EXPECT_EQ(daemon.relay("a").generation, *first + 1);
}

TEST(StateService, RefusesSnapshotsThatWerePutBackAndLetsTheRelaysStartWithout) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    snapshot_of(machine, 2 << 20, 2 << 20);
    const auto old_a = machine.files().at("state.a"), old_b = machine.files().at("state.b");
    snapshot_of(machine, 3 << 20, 3 << 20);
    snapshot_of(machine, 4 << 20, 4 << 20);
    std::ofstream(machine.folder / "state.a", std::ios::binary) << old_a;
    std::ofstream(machine.folder / "state.b", std::ios::binary) << old_b;
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.service.standing(), StateStanding::refused);
    EXPECT_EQ(daemon.service.reason()->kind, ErrorKind::rollback);
    EXPECT_TRUE(daemon.place.laid_out.empty());
    EXPECT_EQ(daemon.place.nothing.at("a"), daemon.service.reason()->message);
    daemon.tor_writes("a", state_of(5 << 20));
    const auto refused = daemon.service.snapshot(SnapshotCause::change);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::rollback);
    EXPECT_EQ(machine.files().at("state.a"), old_a) << "what a person is to look at is still there";

    ASSERT_TRUE(daemon.service.reset());
    EXPECT_TRUE(daemon.service.snapshot(SnapshotCause::request));
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(5 << 20));
}

TEST(StateService, OneRelayWhoseStateIsNotWholeKeepsItsLastAndLeavesTheOther) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    StateDaemon daemon(machine);
    for (const std::string& bad : {std::string("BWHistoryReadValues 1"), state_of(2 << 20).substr(0, 40), std::string("a\0b\n", 4)}) {
        daemon.tor_writes("a", bad);
        daemon.tor_writes("b", state_of(2 << 20));
        const auto taken = daemon.service.snapshot(SnapshotCause::change);
        ASSERT_FALSE(taken);
        EXPECT_EQ(taken.error().kind, ErrorKind::corrupt);
        EXPECT_THAT(taken.error().message, HasSubstr("a: "));
        EXPECT_THAT(daemon.relay("a").trouble, HasSubstr("not taken up"));
    }
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(1 << 20));
    EXPECT_EQ(next.laid_out("b"), state_of(2 << 20));
}

TEST(StateService, AFileThatCannotBeReadIsNamedAndLosesNothing) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    StateDaemon daemon(machine);
    daemon.place.unreadable["a"] = Error{ErrorKind::corrupt, "state: larger than the 1048576 octets that are allowed"};
    const auto taken = daemon.service.snapshot(SnapshotCause::request);
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().message, HasSubstr("larger than"));
    EXPECT_EQ(StateDaemon(machine).laid_out("a"), state_of(1 << 20));
}

TEST(StateService, KeepsTheStateOfARelayThatIsNotAdmittedInThisBoot) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    std::ofstream(machine.folder / "identity-b.a") << "damaged";
    {
        StateDaemon daemon(machine);
        daemon.place.admitted.erase("b");
        daemon.service.restore();
        daemon.tor_writes("a", state_of(3 << 20));
        ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    }
    EXPECT_EQ(StateDaemon(machine).laid_out("b"), state_of(2 << 20));
}

TEST(StateService, TheStateOfARelayThatIsForgottenIsInNeitherSlotAfterwards) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    StateDaemon daemon(machine);
    daemon.place.admitted.erase("b");
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    EXPECT_FALSE(daemon.service.relays().contains("b"));
    for (const std::string slot : {"state.a", "state.b"}) {
        std::filesystem::remove(machine.folder / slot);
        StateDaemon next(machine);
        EXPECT_EQ(next.relay("b").source, StateSource::nothing);
        EXPECT_EQ(next.laid_out("b"), "");
    }
}

TEST(StateService, GivesNoRelayTheStateOfTheOneThatHadItsNameBefore) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    StateDaemon daemon(machine);
    daemon.place.admitted["b"] = {0xc};
    daemon.service.restore();
    EXPECT_EQ(daemon.relay("b").source, StateSource::nothing);
    EXPECT_EQ(daemon.relay("b").reason, "");
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change)) << "the former one's state goes";
    EXPECT_EQ(StateDaemon(machine).relay("b").source, StateSource::nothing);
    daemon.tor_writes("b", state_of(3 << 20));
    daemon.place.admitted["b"] = {0xd};  // while the service runs
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    StateDaemon next(machine);
    next.place.admitted["b"] = {0xd};
    next.service.restore();
    EXPECT_EQ(next.laid_out("b"), state_of(3 << 20));
}

TEST(StateService, ARelayThatIsAdmittedLaterGetsItsState) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    StateDaemon daemon(machine);
    const auto admitted = std::exchange(daemon.place.admitted, {});
    daemon.service.restore();
    daemon.place.laid_out.clear();
    daemon.place.admitted = admitted;
    std::ofstream(machine.folder / "identity-b.a") << "whatever";
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    EXPECT_EQ(daemon.laid_out("b"), state_of(2 << 20));
    EXPECT_EQ(daemon.relay("b").source, StateSource::snapshot);
}

TEST(StateService, SaysThatTheClockIsBehindWhenAHistoryIsInTheFuture) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    StateDaemon daemon(machine);
    daemon.now = some_day - 24h * 8;
    daemon.service.restore();
    EXPECT_THAT(daemon.relay("a").reason, HasSubstr("the clock is behind"));
    EXPECT_EQ(daemon.laid_out("a"), state_of(1 << 20));
}

TEST(StateService, LeavesARelayAloneThatHasItsStateAlready) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    StateDaemon daemon(machine);
    daemon.tor_writes("a", state_of(2 << 20));
    daemon.place.laid_out.clear();
    daemon.service.restore();
    EXPECT_EQ(daemon.relay("a").source, StateSource::kept);
    EXPECT_FALSE(daemon.place.laid_out.contains("a"));
    EXPECT_TRUE(daemon.place.laid_out.contains("b"));
}

TEST(StateService, AShutVaultLaysOutNothingAndSaysWhy) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    machine.tpm.extend(11, Digest{1});
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.service.standing(), StateStanding::shut);
    EXPECT_EQ(daemon.service.reason()->kind, ErrorKind::policy_mismatch);
    EXPECT_TRUE(daemon.place.laid_out.empty());
    EXPECT_EQ(daemon.service.snapshot(SnapshotCause::request).error().kind, ErrorKind::policy_mismatch);
}

TEST(StateService, SaysThatTorDiscardsAHistoryOfMoreThanFiveDaysAgo) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 1 << 20);
    StateDaemon daemon(machine);
    daemon.now = some_day + 24h * 8;
    daemon.service.restore();
    EXPECT_EQ(daemon.relay("a").restored_bandwidth, 0u);
    EXPECT_THAT(daemon.relay("a").reason, HasSubstr("five days"));
}

TEST(StateService, ASnapshotThatFailedIsTakenTheNextTime) {
    Machine machine;
    StateDaemon daemon(machine);
    daemon.tor_writes("a", state_of(1 << 20));
    const auto file = machine.folder / "state.a", other = machine.folder / "state.b";
    std::filesystem::create_directory(file);
    std::filesystem::create_directory(other);
    ASSERT_FALSE(daemon.service.snapshot(SnapshotCause::change));
    std::filesystem::remove(file);
    std::filesystem::remove(other);
    EXPECT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    EXPECT_EQ(StateDaemon(machine).laid_out("a"), state_of(1 << 20));
}

TEST(Budget, LeavesAQuarterToWhatIsNotOnlyConvenient) {
    const TemporaryFolder folder;
    Budget budget(folder / "spent", 8);
    const auto payer = [&](SnapshotCause cause) { return budget.payer(cause, some_day, {"a"}, 1); };
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(payer(SnapshotCause::change), "a");
        ASSERT_TRUE(budget.spend(some_day, "a"));
    }
    EXPECT_EQ(payer(SnapshotCause::change), std::nullopt);
    EXPECT_EQ(payer(SnapshotCause::timer), std::nullopt);
    EXPECT_EQ(payer(SnapshotCause::stop), "");
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(budget.spend(some_day, ""));
    EXPECT_EQ(payer(SnapshotCause::request), std::nullopt);
    EXPECT_EQ(budget.left(some_day), 0u);
}

TEST(Budget, IsSharedEquallySoThatOneRelayTakesNothingFromTheOthers) {
    const TemporaryFolder folder;
    Budget budget(folder / "spent", 8);
    const auto payer = [&](const std::set<std::string>& changed) { return budget.payer(SnapshotCause::change, some_day, changed, 3); };
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(payer({"a"}), "a");
        ASSERT_TRUE(budget.spend(some_day, "a"));
    }
    EXPECT_EQ(payer({"a"}), std::nullopt);
    EXPECT_EQ(payer({"a", "b"}), "b") << "what is taken for one has the others' state, too";
    for (const std::string name : {"b", "c", "b", "c"}) {
        EXPECT_EQ(payer({name}), name);
        ASSERT_TRUE(budget.spend(some_day, name));
    }
    EXPECT_EQ(payer({"a", "b", "c"}), std::nullopt);
    EXPECT_EQ(budget.payer(SnapshotCause::stop, some_day, {"b"}, 3), "");
    EXPECT_EQ(Budget(folder / "none", 8).payer(SnapshotCause::timer, some_day, {"z"}, 100), "z") << "each of many has one";
}

// Somebody runs code as tor of relay a, and writes another state every other second.
TEST(StateService, ARelayThatWritesAllTheTimeLeavesTheOtherItsSnapshots) {
    Machine machine;
    StateDaemon daemon(machine);
    daemon.tor_writes("b", state_of(1 << 20));
    bool refused = false;
    for (std::uint64_t i = 1; i <= 100 && !refused; ++i) {
        daemon.tor_writes("a", state_of(i << 10));
        refused = !daemon.service.snapshot(SnapshotCause::change);
    }
    EXPECT_TRUE(refused);
    const auto taken = daemon.service.generation();
    daemon.tor_writes("b", state_of(2 << 20));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change)) << "b has changed";
    EXPECT_EQ(daemon.service.generation(), taken + 1);
    EXPECT_EQ(StateDaemon(machine).laid_out("b"), state_of(2 << 20));
}

TEST(Budget, IsThatOfTheDayThatEndsNowAndOutlivesTheService) {
    const TemporaryFolder folder;
    ASSERT_TRUE(Budget(folder / "spent", 8).spend(some_day, "a"));
    const Budget budget(folder / "spent", 8);
    EXPECT_EQ(budget.left(some_day + 23h), 7u);
    EXPECT_EQ(budget.left(some_day + 25h), 8u);
}

TEST(StateService, RefusesASnapshotWhenTheDayIsSpent) {
    Machine machine;
    StateDaemon daemon(machine, {.snapshots_per_day = 4});
    for (std::uint64_t i = 1; i <= 4; ++i) {
        daemon.tor_writes("a", state_of(i << 20));
        ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::request));
    }
    daemon.tor_writes("a", state_of(5 << 20));
    const auto refused = daemon.service.snapshot(SnapshotCause::request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(refused.error().message, HasSubstr("SnapshotsPerDay"));
    daemon.now += 25h;
    EXPECT_TRUE(daemon.service.snapshot(SnapshotCause::request));
}

// lethe-identityd makes one while this service runs.
TEST(StateUnderANewVaultKey, GoesOnWithTheNextSnapshotAndIsThereAfterAReboot) {
    Machine machine{{}};
    Daemon identities(machine);
    StateDaemon state(machine);
    state.tor_writes("a", state_of(1 << 20));
    ASSERT_TRUE(is_success(state.service.snapshot(SnapshotCause::request)));
    const auto store = *Store::open(machine.folder.path());
    ASSERT_TRUE(is_success(set_recovery_key(identities.service, machine.tpm, store, make_recovery_key().public_key)));
    {
        StateDaemon rebooted(machine);
        EXPECT_EQ(rebooted.laid_out("a"), state_of(1 << 20)) << "the last snapshot went with the former key";
    }
    state.now += 24h;
    state.uptime += 24h;
    state.tor_writes("a", state_of(2 << 20, state.now));
    ASSERT_TRUE(is_success(state.service.snapshot(SnapshotCause::request)));
    EXPECT_EQ(state.service.minimal_reason(), "");
    {
        StateDaemon rebooted(machine);
        EXPECT_EQ(rebooted.laid_out("a"), state_of(2 << 20, state.now));
        EXPECT_EQ(rebooted.service.standing(), StateStanding::open);
    }
    // After two more the NV indices are those of the key that this service has.
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(is_success(set_recovery_key(identities.service, machine.tpm, store, std::nullopt)));
    state.now += 1h;
    state.tor_writes("a", state_of(3 << 20, state.now));
    ASSERT_TRUE(is_success(state.service.snapshot(SnapshotCause::request)));
    StateDaemon rebooted(machine);
    EXPECT_EQ(rebooted.laid_out("a"), state_of(3 << 20, state.now));
    EXPECT_EQ(rebooted.service.standing(), StateStanding::open);
}

}  // namespace
}  // namespace lethe
