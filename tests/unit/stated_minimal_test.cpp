#include "state_machine.hpp"
#include "vault/minimal_states.hpp"

namespace lethe {
namespace {

constexpr bool no_disk = true;

std::string minimal_text(std::uint64_t bandwidth, std::chrono::sys_seconds when = some_day) {
    return to_state_text(*minimal_state(*parse_state_file(as_octets(state_of(bandwidth, when)))));
}

// Gives both relays a history, and takes a snapshot for this reason.
void boot(Machine& machine, std::uint64_t a, std::uint64_t b, bool in_tpm, SnapshotCause cause = SnapshotCause::stop) {
    StateDaemon daemon(machine, {}, in_tpm);
    daemon.tor_writes("a", state_of(a));
    daemon.tor_writes("b", state_of(b));
    const auto taken = daemon.service.snapshot(cause);
    ASSERT_TRUE(taken) << taken.error().message;
    ASSERT_EQ(daemon.service.minimal_reason(), "");
}

void lose_the_disk(Machine& machine) {
    for (const std::string slot : {"state.a", "state.b"}) std::filesystem::remove(machine.folder / slot);
}

TEST(MinimalState, BringsTheBandwidthBackWhenTheSnapshotsAreLost) {
    Machine machine;
    boot(machine, 1 << 20, 2 << 20, false);
    lose_the_disk(machine);
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.service.standing(), StateStanding::open);
    const auto& b = daemon.relay("b");
    EXPECT_EQ(b.source, StateSource::minimal);
    EXPECT_EQ(b.restored_bandwidth, 2u << 20);
    EXPECT_EQ(b.taken, some_day);
    EXPECT_THAT(b.reason, HasSubstr("has lost its snapshots"));
    EXPECT_EQ(daemon.laid_out("b"), minimal_text(2 << 20));
    daemon.tor_writes("a", state_of(3 << 20));
    EXPECT_TRUE(daemon.service.snapshot(SnapshotCause::change)) << "and snapshots go on";
    EXPECT_EQ(StateDaemon(machine).laid_out("a"), state_of(3 << 20));
}

TEST(MinimalState, BringsTheBandwidthBackWhenNoSlotIsWhole) {
    Machine machine;
    boot(machine, 1 << 20, 2 << 20, false);
    machine.damage("state.a");
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.relay("a").source, StateSource::minimal);
    EXPECT_THAT(daemon.relay("a").reason, HasSubstr("no slot is whole"));
}

TEST(MinimalState, IsNotGivenInThePlaceOfSnapshotsThatWerePutBack) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, false);
    const auto old = machine.files();
    boot(machine, 2 << 20, 2 << 20, false);
    boot(machine, 3 << 20, 3 << 20, false);
    for (const std::string slot : {"state.a", "state.b"}) {
        std::filesystem::remove(machine.folder / slot);
        if (old.contains(slot)) std::ofstream(machine.folder / slot, std::ios::binary) << old.at(slot);
    }
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.service.standing(), StateStanding::refused);
    EXPECT_EQ(daemon.relay("a").source, StateSource::nothing);
}

TEST(MinimalState, WithoutItWhatIsLostIsSaid) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, false);
    lose_the_disk(machine);
    ASSERT_TRUE(machine.tpm.nv_undefine(minimal_state_index_handle));
    StateDaemon daemon(machine);
    EXPECT_EQ(daemon.relay("a").source, StateSource::nothing);
    EXPECT_THAT(daemon.place.nothing.at("a"), HasSubstr("has lost its snapshots"));
}

TEST(MinimalState, IsWrittenBesideSnapshotsWhenADayHasClosedAndNotOtherwise) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, false);
    const auto index = [&] { return *machine.tpm.nv_read(minimal_state_index_handle); };
    const Octets first = index();
    StateDaemon daemon(machine);
    daemon.tor_writes("a", state_of(2 << 20));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::stop));
    EXPECT_EQ(index(), first);
    daemon.now += 24h;
    daemon.tor_writes("a", state_of(2 << 20, daemon.now));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    EXPECT_NE(index(), first);
}

TEST(MinimalState, ThatFitsNotTheTpmIsNoReasonToTakeNoSnapshot) {
    Machine machine;
    machine.tpm.limit_nv({256, 256}, 1024);
    StateDaemon daemon(machine);
    daemon.tor_writes("a", state_of(1 << 20));
    EXPECT_TRUE(daemon.service.snapshot(SnapshotCause::stop));
    EXPECT_THAT(daemon.service.minimal_reason(), HasSubstr("no room"));
}

TEST(MinimalState, IsWhatAMachineWithoutADiskKeeps) {
    Machine machine;
    {
        StateDaemon first(machine, {}, no_disk);
        EXPECT_EQ(first.service.standing(), StateStanding::minimal);
        EXPECT_EQ(first.relay("a").source, StateSource::nothing);
        EXPECT_EQ(first.relay("a").reason, "");
    }
    boot(machine, 1 << 20, 2 << 20, no_disk);
    StateDaemon daemon(machine, {}, no_disk);
    EXPECT_EQ(daemon.service.standing(), StateStanding::minimal);
    EXPECT_FALSE(daemon.service.reason());
    EXPECT_EQ(daemon.relay("b").source, StateSource::minimal);
    EXPECT_EQ(daemon.relay("b").reason, "");
    EXPECT_EQ(daemon.laid_out("b"), minimal_text(2 << 20));
    EXPECT_FALSE(machine.files().contains("state.a"));
}

TEST(MinimalState, OfAMachineWithoutADiskIsWrittenAtTheEndAndWhenADayHasClosed) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, no_disk);
    StateDaemon daemon(machine, {}, no_disk);
    const auto left = daemon.service.budget_left();
    daemon.tor_writes("a", state_of(2 << 20));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::timer));
    EXPECT_EQ(daemon.service.budget_left(), left) << "the running day alone is another";
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::request));
    EXPECT_EQ(daemon.service.budget_left(), left - 1);
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::stop));
    EXPECT_EQ(daemon.service.budget_left(), left - 1) << "nothing is another";
    EXPECT_EQ(StateDaemon(machine, {}, no_disk).laid_out("a"), minimal_text(2 << 20));
}

TEST(MinimalState, OfAMachineWithoutADiskThatWasPutBackIsRefusedUntilAPersonHasLooked) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, no_disk);
    const Octets old = *machine.tpm.nv_read(minimal_state_index_handle);
    boot(machine, 2 << 20, 2 << 20, no_disk);
    boot(machine, 3 << 20, 3 << 20, no_disk);
    ASSERT_TRUE(machine.tpm.nv_write(minimal_state_index_handle, 0, old));
    StateDaemon daemon(machine, {}, no_disk);
    EXPECT_EQ(daemon.service.standing(), StateStanding::refused);
    EXPECT_EQ(daemon.service.reason()->kind, ErrorKind::rollback);
    EXPECT_EQ(daemon.laid_out("a"), "");
    EXPECT_EQ(daemon.service.snapshot(SnapshotCause::request).error().kind, ErrorKind::rollback);
    ASSERT_TRUE(daemon.service.reset());
    daemon.tor_writes("a", state_of(4 << 20));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::request));
    EXPECT_EQ(StateDaemon(machine, {}, no_disk).laid_out("a"), minimal_text(4 << 20));
}

TEST(MinimalState, IsNotGivenToAnotherRelayOfTheSameName) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, no_disk);
    StateDaemon daemon(machine, {}, no_disk);
    daemon.place.admitted["a"] = {0xc};
    daemon.place.laid_out.clear();
    daemon.service.restore();
    EXPECT_EQ(daemon.relay("a").source, StateSource::nothing);
    EXPECT_TRUE(daemon.place.laid_out.contains("b"));
    EXPECT_FALSE(daemon.place.laid_out.contains("a"));
}

}  // namespace
}  // namespace lethe
