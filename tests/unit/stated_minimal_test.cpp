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
    daemon.uptime += 24h;
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

constexpr std::chrono::sys_seconds wrong_day = std::chrono::sys_days(std::chrono::year(2036) / 2 / 7) + 6h;

// A state that tor has begun without a history.
std::string begun(std::chrono::sys_seconds when) {
    const auto history = history_at(when, {3 << 20});
    return state_with(when, history, history);
}

// A machine whose relay "a" has a state of some_day.
struct MachineWithHistory : Machine {
    explicit MachineWithHistory(bool synchronised = true) {
        StateDaemon daemon(*this, {}, no_disk);
        daemon.synchronised = synchronised;
        daemon.tor_writes("a", state_of(1 << 20));
        EXPECT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::stop)));
    }
};

// A boot in which tor runs from then for so long, and writes every six hours and at the end.
void boot_at(Machine& machine, std::chrono::sys_seconds begin, std::chrono::hours length, bool synchronised,
             const std::function<std::string(std::chrono::sys_seconds)>& writes) {
    StateDaemon daemon(machine, {}, no_disk);
    daemon.synchronised = synchronised;
    for (auto passed = 0h; passed <= length; passed += passed == length ? 1h : std::min(6h, length - passed)) {
        daemon.now = begin + passed;
        daemon.uptime = 60s + passed;
        daemon.tor_writes("a", writes(daemon.now));
        ASSERT_TRUE(is_success(daemon.service.snapshot(passed < length ? SnapshotCause::timer : SnapshotCause::stop)));
    }
}

std::string twice(std::chrono::sys_seconds when) { return state_of(2 << 20, when); }

// The state that the next boot gives to tor.
std::string kept_by(Machine& machine) { return StateDaemon(machine, {}, no_disk).laid_out("a"); }

TEST(MinimalState, IsThatOfBeforeAfterAnyNumberOfBootsWithAWrongClock) {
    MachineWithHistory machine;
    for (const auto day : {wrong_day, wrong_day + 24h, wrong_day + 24h * 900, some_day - 24h * 2000, some_day + 48h}) {
        boot_at(machine, day, 6h, false, twice);
        EXPECT_EQ(kept_by(machine), minimal_text(1 << 20)) << day;
    }
    boot_at(machine, some_day + 24h, 2h, true, twice);
    EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, some_day + 26h)) << "a time server confirms a later one";
}

// A time server lies by more than five days, so that tor discards what it is given.
TEST(MinimalState, ATimeServerThatLiesForLessThanADayTakesNothing) {
    MachineWithHistory machine;
    for (int lies = 0; lies < 3; ++lies) boot_at(machine, wrong_day, 12h, true, begun);
    EXPECT_EQ(kept_by(machine), minimal_text(1 << 20));
}

TEST(MinimalState, IsReplacedAfterAMachineWasOffForLongOnceADayOfTheNewHistoryIsOver) {
    MachineWithHistory machine;
    const auto later = some_day + 24h * 60;
    boot_at(machine, later, 3h, true, begun);
    EXPECT_EQ(kept_by(machine), minimal_text(1 << 20));
    boot_at(machine, later + 4h, 25h, true, twice);
    EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, later + 29h));
}

TEST(MinimalState, OfAClockThatIsNeverSynchronisedGoesOn) {
    MachineWithHistory machine(false);
    for (const auto day : {some_day + 2h, some_day + 24h * 3, some_day + 24h * 60}) {
        boot_at(machine, day, 3h, false, twice);
        EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, day + 3h));
    }
}

TEST(MinimalState, OfAMachineWhoseTimeServerIsGoneGoesOn) {
    MachineWithHistory machine;
    // Over a quick reboot at once.
    boot_at(machine, some_day + 30min, 3h, false, twice);
    EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, some_day + 210min));
    // After a longer time off, when tor would discard what is kept, whatever the time is.
    const auto later = some_day + 24h * 2;
    boot_at(machine, later, 119h, false, [](auto when) { return state_of(3 << 20, when); });
    EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, some_day + 210min));
    boot_at(machine, later, 121h, false, [](auto when) { return state_of(3 << 20, when); });
    EXPECT_EQ(kept_by(machine), minimal_text(3 << 20, later + 121h));
    boot_at(machine, later + 24h * 8, 2h, false, twice);
    EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, later + 24h * 8 + 2h)) << "and from then on at once";
}

TEST(MinimalState, OfAWrongClockGivesWayOnceATimeServerShowsItToBeFromTheFuture) {
    Machine machine;
    boot_at(machine, wrong_day, 2h, true, twice);
    EXPECT_EQ(kept_by(machine), minimal_text(2 << 20, wrong_day + 2h));
    boot_at(machine, some_day, 1h, true, begun);
    EXPECT_EQ(kept_by(machine), to_state_text(*minimal_state(*parse_state_file(as_octets(begun(some_day + 1h))))));
}

TEST(MinimalState, IsNotThatOfAClockThatJumpsWhileTorRunsUntilItIsBack) {
    Machine machine;
    StateDaemon daemon(machine, {}, no_disk);
    const auto write = [&](std::chrono::sys_seconds now, std::chrono::sys_seconds written, std::uint64_t bandwidth) {
        daemon.uptime += 1h;
        daemon.now = now;
        daemon.tor_writes("a", state_of(bandwidth, written));
        ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::request)));
    };
    write(some_day, some_day, 1 << 20);
    write(wrong_day, wrong_day, 2 << 20);
    write(wrong_day + 1h, wrong_day + 1h, 2 << 20);
    EXPECT_EQ(kept_by(machine), minimal_text(1 << 20));
    write(some_day + 3h, wrong_day + 1h, 3 << 20);
    EXPECT_EQ(kept_by(machine), minimal_text(1 << 20)) << "the clock is back, and what tor has is not of it yet";
    write(some_day + 4h, some_day + 4h, 4 << 20);
    EXPECT_EQ(kept_by(machine), minimal_text(4 << 20, some_day + 4h));
}

// As that of the snapshots is.
TEST(MinimalState, BesideSnapshotsIsThatOfBeforeABootWithAWrongClockToo) {
    Machine machine;
    boot(machine, 1 << 20, 1 << 20, false);
    {
        StateDaemon daemon(machine);
        daemon.synchronised = false;
        daemon.now = wrong_day;
        daemon.tor_writes("a", state_of(2 << 20, wrong_day));
        ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::stop)));
    }
    lose_the_disk(machine);
    EXPECT_EQ(StateDaemon(machine).laid_out("a"), minimal_text(1 << 20));
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
