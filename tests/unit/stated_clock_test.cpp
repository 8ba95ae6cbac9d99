#include "state_machine.hpp"

namespace lethe {
namespace {

constexpr std::chrono::sys_seconds wrong_day = std::chrono::sys_days(std::chrono::year(2036) / 2 / 7) + 6h;

std::string earlier_of(StateDaemon& daemon, const std::string& relay) {
    const auto& files = daemon.place.laid_out[relay];
    const auto found = files.find("earlier.state");
    return found == files.end() ? "" : std::string(as_text(found->second.expose()));
}

// A boot in which a time server lies, and tor runs and writes for some hours.
void boot_in_2036(Machine& machine) {
    StateDaemon daemon(machine);
    for (auto now = wrong_day; now < wrong_day + 4h; now += 1h, daemon.uptime += 1h) {
        daemon.now = now;
        for (const std::string relay : {"a", "b"}) daemon.tor_writes(relay, state_of(3 << 20, now));
        ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    }
}

TEST(StateAndClock, OneBootWithTheClockIn2036LeavesTheStateOfBefore) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    boot_in_2036(machine);
    StateDaemon daemon(machine);
    daemon.now = some_day + 5h;
    EXPECT_EQ(daemon.laid_out("a"), state_of(3 << 20, wrong_day + 3h));
    EXPECT_EQ(earlier_of(daemon, "a"), state_of(1 << 20));
    EXPECT_EQ(earlier_of(daemon, "b"), state_of(2 << 20));
    EXPECT_TRUE(daemon.place.laid_out["a"].contains("earlier." + key_file::onion_ntor));

    // lethe-relay has taken the earlier one.
    daemon.tor_writes("a", state_of(1 << 20, some_day + 6h));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    EXPECT_EQ(daemon.relay("a").source, StateSource::previous);
    EXPECT_THAT(daemon.relay("a").reason, HasSubstr("2036-02-07 09:00 UTC, which is still to come"));
    EXPECT_THAT(daemon.relay("a").reason, HasSubstr("given that of 2026-05-01 12:00"));
    EXPECT_EQ(daemon.relay("a").restored_bandwidth, 1u << 20);
    EXPECT_EQ(StateDaemon(machine).laid_out("a"), state_of(1 << 20, some_day + 6h));
}

// A boot in which no time server sets the clock.
void boot_unset(Machine& machine, std::chrono::sys_seconds when, std::uint64_t bandwidth) {
    StateDaemon daemon(machine);
    daemon.synchronised = false;
    for (const auto passed : {0h, 2h}) {
        daemon.now = when + passed;
        daemon.uptime += passed;
        daemon.tor_writes("a", state_of(bandwidth, daemon.now));
        ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::change)));
    }
}

TEST(StateAndClock, AnyNumberOfBootsWithAWrongClockLeavesTheStateOfBefore) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    const auto good = some_day + 24h;
    {
        StateDaemon daemon(machine);  // an ordinary boot: what it leaves is the last good one
        daemon.now = good;
        daemon.tor_writes("a", state_of(2 << 20, good));
        ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::stop)));
        EXPECT_EQ(earlier_of(daemon, "a"), "");
    }
    for (const auto day : {wrong_day, wrong_day + 24h, wrong_day + 24h * 900, some_day - 24h * 2000, wrong_day}) {
        boot_unset(machine, day, 3 << 20);
        StateDaemon next(machine);
        EXPECT_EQ(next.laid_out("a"), state_of(3 << 20, day + 2h)) << day;
        EXPECT_EQ(earlier_of(next, "a"), state_of(2 << 20, good)) << day;
    }
    // lethe-relay gives tor the earlier one, once a time server has set the clock.
    StateDaemon daemon(machine);
    daemon.now = good + 5h;
    daemon.tor_writes("a", state_of(2 << 20, good + 5h));
    ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::change)));
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(2 << 20, good + 5h));
    EXPECT_EQ(earlier_of(next, "a"), state_of(2 << 20, good)) << "and not what the wrong clock has left";
}

TEST(StateAndClock, AClockThatIsNeverSynchronisedStillKeepsTheNewestStateAndATimeServerConfirmsIt) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    auto day = some_day;
    for (std::uint64_t boots = 2; boots < 6; ++boots) {
        day += 24h * 7;
        boot_unset(machine, day, boots << 20);
        EXPECT_EQ(StateDaemon(machine).laid_out("a"), state_of(boots << 20, day + 2h));
    }
    StateDaemon daemon(machine);
    daemon.now = day + 24h;
    daemon.tor_writes("a", state_of(7 << 20, daemon.now));
    ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::change)));
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(7 << 20, day + 24h));
    EXPECT_EQ(earlier_of(next, "a"), state_of(5 << 20, day + 2h)) << "the newest that was confirmed";
}

// Nothing is confirmed there: the newest is kept, as that of before a jump is anywhere.
TEST(StateAndClock, OfAClockThatWasNeverSynchronisedTheStateOfBeforeTheLastJumpIsLeft) {
    Machine machine;
    for (const int days : {0, 2, 4}) boot_unset(machine, some_day + 24h * days, (days + 1ull) << 20);
    boot_unset(machine, wrong_day, 7 << 20);
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(7 << 20, wrong_day + 2h));
    EXPECT_EQ(earlier_of(next, "a"), state_of(5 << 20, some_day + 24h * 4 + 2h));
}

TEST(StateAndClock, AStateThatWasWrittenBeforeATimeServerSetTheClockBackIsNotConfirmedByIt) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    {
        StateDaemon daemon(machine);
        daemon.now = some_day + 3h;
        daemon.tor_writes("a", state_of(3 << 20, wrong_day));
        ASSERT_TRUE(is_success(daemon.service.snapshot(SnapshotCause::change)));
    }
    boot_unset(machine, wrong_day + 24h, 3 << 20);
    StateDaemon next(machine);
    EXPECT_EQ(earlier_of(next, "a"), state_of(1 << 20));
}

TEST(StateAndClock, WhereTheClockWasWrongFromTheBeginningItIsSaidThatThereIsNoState) {
    Machine machine;
    boot_in_2036(machine);
    StateDaemon daemon(machine);
    EXPECT_EQ(earlier_of(daemon, "a"), "");
    daemon.tor_writes("a", state_of(1 << 20, some_day + 6h));
    ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    EXPECT_EQ(daemon.relay("a").source, StateSource::nothing);
    EXPECT_THAT(daemon.relay("a").reason, HasSubstr("has begun without state"));
}

// In the middle of a boot, while a daemon runs that knows how much time has passed.
TEST(StateAndClock, AClockThatJumpsWhileTorRunsLeavesTheStateOfBeforeAndTimeThatPassesDoesNot) {
    Machine machine;
    StateDaemon daemon(machine);
    const auto write = [&](std::chrono::sys_seconds now, std::chrono::seconds later) {
        daemon.now = now;
        daemon.uptime += later;
        daemon.tor_writes("a", state_of(1 << 20, now));
        ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    };
    write(some_day, 0h);
    write(some_day + 12h, 12h);
    {
        StateDaemon next(machine);
        EXPECT_EQ(earlier_of(next, "a"), "");
    }
    write(wrong_day, 1h);
    write(wrong_day + 12h, 12h);
    {
        StateDaemon next(machine);
        EXPECT_EQ(earlier_of(next, "a"), state_of(1 << 20, some_day + 12h));
    }
    // And back: it is the wrong one now that lies beside it.
    write(some_day + 26h, 1h);
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(1 << 20, some_day + 26h));
}

TEST(StateAndClock, AMachineThatWasOffForAWhileLosesNothingByIt) {
    Machine machine;
    snapshot_of(machine, 1 << 20, 2 << 20);
    const auto later = some_day + std::chrono::days(60);
    {
        StateDaemon daemon(machine);
        daemon.now = later;
        daemon.tor_writes("a", state_of(5 << 20, later));
        ASSERT_TRUE(daemon.service.snapshot(SnapshotCause::change));
    }
    StateDaemon next(machine);
    EXPECT_EQ(next.laid_out("a"), state_of(5 << 20, later));
    EXPECT_EQ(next.relay("a").source, StateSource::snapshot);
}

}  // namespace
}  // namespace lethe
