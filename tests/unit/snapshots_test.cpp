#include <algorithm>

#include <tss2/tss2_tpm2_types.h>

#include "counting_tcti.hpp"
#include "snapshots_machine.hpp"
#include "software_tpm.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {
namespace {

const Texts first{{"a", "first of a"}, {"b", "first of b"}}, second{{"a", "second of a"}, {"b", "second of b"}},
    third{{"a", "third of a"}, {"b", "third of b"}};

class SnapshotsTest : public testing::Test {
protected:
    SnapshotRun start() { return SnapshotRun(machine); }
    std::uint64_t write(const Texts& texts) {
        const auto written = start()->write(states_of(texts));
        EXPECT_TRUE(written) << written.error().message;
        return written.value_or(0);
    }
    void expect_read(const Texts& texts) {
        const auto snapshot = start()->read();
        ASSERT_TRUE(snapshot) << snapshot.error().message;
        EXPECT_EQ(texts_of(*snapshot), texts);
        EXPECT_TRUE(snapshot->damaged.empty());
    }
    Error refusal() {
        const auto snapshot = start()->read();
        EXPECT_FALSE(snapshot);
        const Error error = snapshot ? Error{ErrorKind::io, "it was read"} : snapshot.error();
        EXPECT_FALSE(error.message.contains('\n'));
        return error;
    }
    std::uint64_t count() {
        return machine.tpm.counter_open(counter_index_handle, SnapshotRun::vault_key().counter_authorisation()).value()->read().value();
    }
    void put(const std::string& file, const Octets& octets) {
        machine.medium.write(file, octets);
        machine.medium.sync(file);
    }
    /// Changes an octet of a slot, counted from what is given.
    void damage(const std::string& file, std::size_t at) {
        Octets octets = machine.medium.read(file).value();
        octets.at(at) ^= 1;
        put(file, octets);
    }
    /// Where the part of a relay lies in a slot.
    std::size_t part_of(const std::string& relay, const std::string& file) {
        const Secret key = SnapshotRun::vault_key().kind_key(ObjectKind::state);
        return open_snapshot_directory(key, machine.medium.read(file).value())->parts.at(relay).offset;
    }
    /// Writes a snapshot, and the TPM fails before it counts it.
    void write_uncounted(const Texts& texts) {
        SnapshotRun run(machine.medium, machine.tpm, [&](const std::string& what) {
            if (what.starts_with("sync")) machine.tpm.fail_with(Error{ErrorKind::tpm_unavailable, "gone"});
        });
        const auto written = run->write(states_of(texts));
        EXPECT_FALSE(written);
        EXPECT_EQ(written.error().kind, ErrorKind::tpm_unavailable);
        machine.tpm.fail_with(std::nullopt);
    }

    SnapshotMachine machine;
};

TEST_F(SnapshotsTest, NothingIsNotFoundAndMakesNoCounter) {
    EXPECT_EQ(refusal().kind, ErrorKind::not_found);
    EXPECT_EQ(machine.tpm.nv_area(counter_index_handle).error().kind, ErrorKind::not_found);
    write(first);
    EXPECT_FALSE(machine.tpm.nv_area(counter_index_handle)->plain);
}

TEST_F(SnapshotsTest, WhatIsWrittenIsReadByTheNextDaemonUnderTheNumberThatTheTpmCounts) {
    const std::uint64_t number = write(first);
    expect_read(first);
    EXPECT_EQ(count(), number);
    EXPECT_EQ(write(second), number + 1);
    EXPECT_EQ(write(third), number + 2);
    EXPECT_EQ(count(), number + 2);
    const auto snapshot = start()->read().value();
    EXPECT_EQ(snapshot.generation, number + 2);
    EXPECT_EQ(snapshot.relays.at("b").generation, number + 2);
    EXPECT_EQ(texts_of(snapshot), third);
}

TEST_F(SnapshotsTest, OneDaemonReadsAndWritesInTurns) {
    auto run = start();
    for (const auto& texts : {first, second, third, Texts{}, first}) {
        ASSERT_TRUE(run->write(states_of(texts)));
        ASSERT_TRUE(run->write(states_of(texts)));
        EXPECT_EQ(texts_of(run->read().value()), texts);
    }
}

TEST_F(SnapshotsTest, ARelayThatIsNotWrittenAgainIsGone) {
    write(first);
    write({{"b", "alone"}});
    expect_read({{"b", "alone"}});
}

TEST_F(SnapshotsTest, LooksLikeAnEncryptedObjectAndShowsNoState) {
    write(first);
    EXPECT_TRUE(machine.medium.holds(as_octets("LETHEOBJ")));
    EXPECT_FALSE(machine.medium.holds(as_octets("first of")));
    EXPECT_EQ(machine.medium.names(), std::vector<std::string>{"state.a"});
    write(second);
    EXPECT_EQ(machine.medium.names(), (std::vector<std::string>{"state.a", "state.b"}));
}

TEST_F(SnapshotsTest, OlderOnesThatArePutBackAreRollbackWithBothNumbers) {
    const std::uint64_t number = write(first);
    write(second);
    const Medium older = machine.medium;
    write(third);
    write(first);
    machine.medium = older;
    const Error error = refusal();
    EXPECT_EQ(error.kind, ErrorKind::rollback);
    EXPECT_TRUE(error.message.contains(std::format("is number {}, and the TPM has counted to {}", number + 1, number + 3)))
        << error.message;
    EXPECT_EQ(write(third), number + 4) << "the machine goes on";
    expect_read(third);
}

TEST_F(SnapshotsTest, TheLastButOneThatIsPutBackAloneIsRollback) {
    write(first);
    const Medium older = machine.medium;
    write(second);
    machine.medium = older;
    EXPECT_EQ(refusal().kind, ErrorKind::rollback);
}

TEST_F(SnapshotsTest, AnOlderSlotBesideTheNewestIsNoMatter) {
    write(first);
    const Octets older = machine.medium.read("state.a").value();
    write(second);
    write(third);
    write(second);
    put("state.a", older);
    expect_read(second);
}

TEST_F(SnapshotsTest, ANumberThatIsAheadOfTheCounterIsRefused) {
    write(first);
    const CopiedTpm older = machine.tpm;
    for (const auto& texts : {second, third, second}) write(texts);
    machine.tpm = older;
    const Error error = refusal();
    EXPECT_EQ(error.kind, ErrorKind::rollback);
    EXPECT_TRUE(error.message.contains("lethectl state reset")) << error.message;
    EXPECT_TRUE(start()->reset());
    write(third);
    expect_read(third);
}

TEST_F(SnapshotsTest, WrittenAndNotCountedIsAcceptedAndCountedAtOnce) {
    const std::uint64_t number = write(first);
    write_uncounted(second);
    EXPECT_EQ(count(), number);
    expect_read(second);
    EXPECT_EQ(count(), number + 1);
    EXPECT_EQ(write(third), number + 2);
    expect_read(third);
}

TEST_F(SnapshotsTest, AWriteAfterOneThatWasNotCountedDoesNotUseItsNumberAgain) {
    const std::uint64_t number = write(first);
    write_uncounted(second);
    const Octets uncounted = machine.medium.read("state.b").value();
    EXPECT_EQ(write(third), number + 2);
    EXPECT_EQ(machine.medium.read("state.b").value(), uncounted) << "the newest is left alone";
    expect_read(third);
}

TEST_F(SnapshotsTest, AWriteThatTheTpmFailsIsUnavailableAndTheNextOneWorks) {
    auto run = start();
    const std::uint64_t number = run->write(states_of(first)).value();
    machine.tpm.fail_with(Error{ErrorKind::tpm_unavailable, "gone"});
    EXPECT_EQ(run->write(states_of(second)).error().kind, ErrorKind::tpm_unavailable);
    EXPECT_EQ(run->write(states_of(second)).error().kind, ErrorKind::tpm_unavailable);
    machine.tpm.fail_with(std::nullopt);
    EXPECT_EQ(run->write(states_of(third)).value(), number + 2);
    EXPECT_EQ(texts_of(run->read().value()), third);
}

TEST_F(SnapshotsTest, DamageToOneRelayLeavesTheOthers) {
    write(first);
    write(second);
    damage("state.b", part_of("a", "state.b") + 90);
    const auto snapshot = start()->read();
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    EXPECT_EQ(texts_of(*snapshot), (Texts{{"b", "second of b"}}));
    ASSERT_TRUE(snapshot->damaged.contains("a"));
    EXPECT_EQ(snapshot->damaged.at("a").kind, ErrorKind::corrupt);
    EXPECT_TRUE(snapshot->damaged.at("a").message.contains("the state of a is damaged")) << snapshot->damaged.at("a").message;
}

// A cut while it was written: the one before is whole, and stays accepted until the next write.
TEST_F(SnapshotsTest, NotCountedAndNotWholeGivesWayToTheSnapshotBefore) {
    const std::uint64_t number = write(first);
    write_uncounted(second);
    damage("state.b", part_of("a", "state.b") + 90);
    for (int i = 0; i < 2; ++i) {
        expect_read(first);
        EXPECT_EQ(count(), number);
    }
    EXPECT_EQ(write(third), number + 1);
    expect_read(third);
}

TEST_F(SnapshotsTest, ADamagedPartIsTakenFromTheOtherSlotWhileThatOneIsAccepted) {
    const std::uint64_t number = write(first);
    write_uncounted(second);
    damage("state.a", part_of("a", "state.a") + 90);
    damage("state.b", part_of("b", "state.b") + 90);
    const auto snapshot = start()->read().value();
    EXPECT_EQ(texts_of(snapshot), (Texts{{"a", "second of a"}, {"b", "first of b"}}));
    EXPECT_EQ(snapshot.relays.at("a").generation, number + 1);
    EXPECT_EQ(snapshot.relays.at("b").generation, number);
    EXPECT_TRUE(snapshot.damaged.empty());
}

TEST_F(SnapshotsTest, ADamagedPartIsNotTakenFromAnOlderSnapshot) {
    write(first);
    write(second);
    damage("state.b", part_of("a", "state.b") + 90);
    const auto snapshot = start()->read().value();
    EXPECT_EQ(texts_of(snapshot), (Texts{{"b", "second of b"}}));
    EXPECT_TRUE(snapshot.damaged.contains("a"));
}

TEST_F(SnapshotsTest, APartOfAnotherSnapshotInItsPlaceIsDamage) {
    write(first);
    const Octets older = machine.medium.read("state.a").value();
    const std::size_t offset = part_of("a", "state.a");
    write(second);
    write(Texts{{"a", "third of a"}, {"b", "third of b"}});
    Octets slot = machine.medium.read("state.a").value();
    ASSERT_EQ(part_of("a", "state.a"), offset);
    std::copy(older.begin() + offset, older.begin() + part_of("b", "state.a"), slot.begin() + offset);
    put("state.a", slot);
    const auto snapshot = start()->read().value();
    EXPECT_EQ(texts_of(snapshot), (Texts{{"b", "third of b"}}));
    EXPECT_TRUE(snapshot.damaged.contains("a"));
}

TEST_F(SnapshotsTest, WithNoWholeSlotIsCorruptAndTheNextWriteGoesOn) {
    write(first);
    damage("state.a", 90);
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    write(second);
    expect_read(second);
    for (const char* file : {"state.a", "state.b"})
        if (machine.medium.exists(file)) damage(file, 90);
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
}

TEST_F(SnapshotsTest, ADamagedNewestBesideAnOlderOneIsRollbackAndNamed) {
    write(first);
    write(second);
    damage("state.b", 90);
    const Error error = refusal();
    EXPECT_EQ(error.kind, ErrorKind::rollback);
    EXPECT_TRUE(error.message.contains("state.b is damaged")) << error.message;
}

TEST_F(SnapshotsTest, ACounterThatIsGoneIsRollbackAndNothingIsWrittenUntilReset) {
    write(first);
    write(second);
    const std::uint64_t counted = count();
    const Medium before = machine.medium;
    ASSERT_TRUE(machine.tpm.nv_undefine(counter_index_handle));
    EXPECT_EQ(refusal().kind, ErrorKind::rollback);
    const auto refused = start()->write(states_of(third));
    EXPECT_EQ(refused.error().kind, ErrorKind::rollback);
    EXPECT_TRUE(refused.error().message.contains("lethectl state reset")) << refused.error().message;
    EXPECT_EQ(machine.tpm.nv_area(counter_index_handle).error().kind, ErrorKind::not_found);
    for (const char* file : {"state.a", "state.b"}) EXPECT_EQ(machine.medium.read(file).value(), before.read(file).value());

    ASSERT_TRUE(start()->reset());
    EXPECT_TRUE(machine.medium.names().empty());
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    EXPECT_GT(count(), counted + 1);
    machine.medium = before;
    EXPECT_EQ(refusal().kind, ErrorKind::rollback) << "from before the reset";
    EXPECT_GT(write(third), counted);
    expect_read(third);
}

TEST_F(SnapshotsTest, ACounterThatGoesAwayUnderADaemonIsRollback) {
    auto run = start();
    ASSERT_TRUE(run->write(states_of(first)));
    ASSERT_TRUE(machine.tpm.nv_undefine(counter_index_handle));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(run->write(states_of(second)).error().kind, ErrorKind::rollback);
    EXPECT_EQ(run->read().error().kind, ErrorKind::rollback);
}

TEST_F(SnapshotsTest, ARedefinedCounterIsWrongStateUntilReset) {
    write(first);
    const std::uint64_t counted = count();
    const Medium before = machine.medium;
    const auto expect_refused = [&] {
        EXPECT_EQ(refusal().kind, ErrorKind::wrong_state);
        EXPECT_EQ(start()->write(states_of(second)).error().kind, ErrorKind::wrong_state);
        EXPECT_EQ(machine.medium.read("state.a").value(), before.read("state.a").value());
    };
    ASSERT_TRUE(machine.tpm.nv_undefine(counter_index_handle));
    ASSERT_TRUE(machine.tpm.nv_define(counter_index_handle, 8));
    ASSERT_TRUE(machine.tpm.nv_write(counter_index_handle, 0, OctetWriter().u64(counted).octets()));
    expect_refused();
    ASSERT_TRUE(machine.tpm.nv_undefine(counter_index_handle));
    ASSERT_TRUE(machine.tpm.counter_define(counter_index_handle, Secret::random(32)));
    expect_refused();
    ASSERT_TRUE(start()->reset());
    write(second);
    expect_read(second);
}

TEST_F(SnapshotsTest, AResetAcceptsNoSnapshotFromBeforeNotEvenOneThatWasNotCounted) {
    write(first);
    write_uncounted(second);
    const Medium before = machine.medium;
    ASSERT_TRUE(start()->reset());
    machine.medium = before;
    EXPECT_EQ(refusal().kind, ErrorKind::rollback);
}

TEST_F(SnapshotsTest, ACounterWithoutSnapshotsMeansThatTheyWereLostAndTheNextWriteGoesOn) {
    const std::uint64_t number = write(first);
    ASSERT_TRUE(start()->erase());
    EXPECT_EQ(refusal().kind, ErrorKind::corrupt);
    EXPECT_TRUE(refusal().message.contains("has lost its snapshots")) << refusal().message;
    EXPECT_EQ(write(second), number + 1);
    expect_read(second);
}

TEST_F(SnapshotsTest, ErasingLeavesNoOctetOfThem) {
    for (const auto& texts : {first, second}) write(texts);
    std::vector<Octets> pieces;
    for (const char* file : {"state.a", "state.b"}) {
        const Octets slot = machine.medium.read(file).value();
        pieces.emplace_back(slot.begin() + 90, slot.begin() + 122);
        ASSERT_TRUE(machine.medium.holds(pieces.back()));
    }
    auto run = start();
    ASSERT_TRUE(run->erase());
    EXPECT_TRUE(run->erase()) << "there is nothing left to do";
    for (const Octets& piece : pieces) EXPECT_FALSE(machine.medium.holds(piece));
    EXPECT_TRUE(machine.medium.names().empty());
    EXPECT_TRUE(run->write(states_of(third)));
}

TEST_F(SnapshotsTest, OfAnotherVaultAreNotRead) {
    write(first);
    SnapshotRun other(machine.medium, machine.tpm, [](const std::string&) {}, 2);
    EXPECT_EQ(other->read().error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(other->write(states_of(second)).error().kind, ErrorKind::wrong_state);
    expect_read(first);
}

TEST_F(SnapshotsTest, AStoreInTheTpmHasNoPlaceForThem) {
    NvDisk disk(std::make_unique<FakeTpm>());
    const auto refused = Snapshots::open(disk, machine.tpm, SnapshotRun::vault_key());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("keep the store on a disk")) << refused.error().message;
    EXPECT_EQ(machine.tpm.nv_area(counter_index_handle).error().kind, ErrorKind::not_found);
}

TEST_F(SnapshotsTest, ANameThatNoRelayHasIsInvalidAndNothingIsWritten) {
    write(first);
    for (const char* name : {"", "A", "../b", "nineteencharactersxx"})
        EXPECT_EQ(start()->write(states_of({{name, "x"}})).error().kind, ErrorKind::invalid_argument) << name;
    expect_read(first);
}

TEST_F(SnapshotsTest, AFullDiskIsSaidBeforeAnythingIsWritten) {
    for (const auto& texts : {first, second}) write(texts);
    machine.medium.room = machine.medium.used() + 4096;
    const Medium before = machine.medium;
    const Secret large = Secret::random(3 * 4096);
    Texts texts{{"a", std::string(as_text(large.expose()))}};
    const auto refused = start()->write(states_of(texts));
    EXPECT_EQ(refused.error().kind, ErrorKind::io);
    EXPECT_TRUE(refused.error().message.contains("has room for 4096 octets")) << refused.error().message;
    for (const char* file : {"state.a", "state.b"}) EXPECT_EQ(machine.medium.read(file).value(), before.read(file).value());
    expect_read(second);
    write(third);
    machine.medium.room += 4 * 4096;
    write(texts);
    expect_read(texts);
}

TEST_F(SnapshotsTest, ADiskThatIsFullAllTheSameLeavesTheNewest) {
    for (const auto& texts : {first, second}) write(texts);
    const Secret large = Secret::random(3 * 4096);
    const Texts texts{{"a", std::string(as_text(large.expose()))}};
    const std::size_t room = machine.medium.room;
    SnapshotRun run(machine.medium, machine.tpm,
                    [&](const std::string& what) { machine.medium.room = what.starts_with("write") ? machine.medium.used() + 512 : room; });
    EXPECT_EQ(run->write(states_of(texts)).error().kind, ErrorKind::io);
    machine.medium.room = room;
    expect_read(second);
    EXPECT_TRUE(run->write(states_of(third))) << "the next one fits";
    expect_read(third);
}

TEST_F(SnapshotsTest, TakesARelaysStateUpTo16MibAndAllUpTo64Mib) {
    RelayStates states;
    states.emplace("a", Secret(payload_limit_octets));
    EXPECT_TRUE(start()->write(states));
    EXPECT_EQ(start()->read()->relays.at("a").state.size(), payload_limit_octets);
    states.insert_or_assign("a", Secret(payload_limit_octets + 1));
    EXPECT_EQ(start()->write(states).error().kind, ErrorKind::invalid_argument);
    states.clear();
    for (const char* name : {"a", "b", "c", "d", "e"}) states.emplace(name, Secret::random(14 << 20));
    EXPECT_EQ(start()->write(states).error().kind, ErrorKind::invalid_argument);
    states.erase("e");
    EXPECT_TRUE(start()->write(states));
    EXPECT_EQ(start()->read()->relays.size(), 4U);
}

TEST(SnapshotCosts, OneWriteOneSyncAndOneCommandOfTheTpmHoweverManyRelays) {
    SoftwareTpm tpm;
    Medium medium;
    std::vector<std::string> disk;
    SnapshotRun run(medium, tpm, [&](const std::string& what) { disk.push_back(what); });
    Texts texts;
    for (int relay = 0; relay < 50; ++relay) texts[std::format("relay{}", relay)] = std::string(2000, 'x');
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(run->write(states_of(texts)));
    for (const char* file : {"state.a", "state.b", "state.a"}) {
        disk.clear();
        tpm.traffic().forget();
        ASSERT_TRUE(run->write(states_of(texts)));
        EXPECT_EQ(disk, (std::vector<std::string>{std::format("write {}", file), std::format("sync {}", file)}));
        EXPECT_EQ(tpm.traffic().command_codes(), std::vector<std::uint32_t>{TPM2_CC_NV_Increment});
    }
}

TEST(SnapshotKeys, TheAuthorisationOfTheCounterIsNoKeyOfAKind) {
    const VaultKey key = SnapshotRun::vault_key(), other = SnapshotRun::vault_key(2);
    const Secret authorisation = key.counter_authorisation();
    EXPECT_EQ(authorisation.size(), 32U);
    EXPECT_EQ(authorisation, key.counter_authorisation());
    EXPECT_FALSE(authorisation == other.counter_authorisation());
    using enum ObjectKind;
    for (const ObjectKind kind : {relays, identity, recovery, keyring, state, minimal, ledger, policy_copy})
        EXPECT_FALSE(authorisation == key.kind_key(kind));
}

}  // namespace
}  // namespace lethe
