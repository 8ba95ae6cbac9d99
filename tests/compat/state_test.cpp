#include <ranges>

#include "state_boot.hpp"
#include "thawed_machine.hpp"

// The relays' state on machines of earlier releases: README.md.
namespace lethe {
namespace {

// Of an object, which begins with its header.
std::uint64_t generation_of(OctetView object) { return OctetReader(object.subspan(12)).u64().value(); }

// Switched on, and measured as it was.
struct StatefulMachine : ThawedMachine {
    explicit StatefulMachine(const std::string& name) : ThawedMachine(name) { measure(manifest().extended); }

    StateBoot boot(std::chrono::sys_seconds now) { return {tpm(), store_opener(), manifest(), now}; }
    StateBoot boot() { return boot(manifest().state_time); }
    /// The older one first.
    std::array<std::string, 2> snapshot_slots() {
        const auto generation = [&](const std::string& slot) { return generation_of(disk()->read(slot).value()); };
        if (generation("state.a") < generation("state.b")) return {"state.a", "state.b"};
        return {"state.b", "state.a"};
    }
    void lose_snapshots() {
        for (const std::string slot : {"state.a", "state.b"}) disk()->remove(slot).value();
    }
    /// Where the two minimal states lie in their index, the older one first.
    std::array<std::size_t, 2> minimal_slots() {
        const auto octets = tpm().nv_read(minimal_index_of(tpm())).value();
        const auto generation = [&](std::size_t at) { return generation_of(OctetView(octets).subspan(at + sizeof(std::uint16_t))); };
        const std::size_t half = octets.size() / 2;
        if (generation(0) < generation(half)) return {0, half};
        return {half, 0};
    }
    /// Changes one octet of what is encrypted there, or changes it back.
    void change_minimal(std::size_t slot) {
        const auto at = static_cast<std::uint16_t>(slot + 100);
        const auto octet = tpm().nv_read(minimal_index_of(tpm()), at, 1).value().front();
        tpm().nv_write(minimal_index_of(tpm()), at, Octets{static_cast<std::uint8_t>(octet ^ 1)}).value();
    }
    /// What comes out for each relay when these are all the states there are.
    FrozenStates given(const FrozenStates& states) {
        FrozenStates given = states;
        for (const auto& [name, relay] : manifest().relays) given.try_emplace(name, FrozenState{.source = "nothing", .files = {}});
        return given;
    }
};

// Where each object of a slot of `state` begins, and the end of the last.
std::vector<std::size_t> object_bounds(OctetView slot, std::size_t count) {
    std::vector<std::size_t> bounds{0};
    while (bounds.size() <= count) bounds.push_back(bounds.back() + object_octets(slot.subspan(bounds.back())));
    return bounds;
}

// How often a reason is given that says this.
std::size_t count_reasons(const StateBoot& boot, std::string_view words) {
    return static_cast<std::size_t>(
        std::ranges::count_if(boot.place.nothing, [&](const auto& nothing) { return nothing.second.contains(words); }));
}

struct StateOfFrozen : testing::TestWithParam<std::string> {
    StatefulMachine machine{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Machines, StateOfFrozen, testing::ValuesIn(frozen_machines()), test_name);

// Those of which the manifest says so.
std::vector<std::string> machines_with(const std::function<bool(const FrozenMachine&)>& has) {
    auto names = frozen_machines();
    std::erase_if(names, [&](const auto& name) { return !has(FrozenMachine::read(std::filesystem::path(LETHE_FROZEN) / name)); });
    return names;
}
struct FrozenSnapshot : StateOfFrozen {};
INSTANTIATE_TEST_SUITE_P(Machines, FrozenSnapshot,
                         testing::ValuesIn(machines_with([](const auto& machine) { return !machine.without_snapshots.empty(); })),
                         test_name);
struct FrozenMinimalState : StateOfFrozen {};
INSTANTIATE_TEST_SUITE_P(Machines, FrozenMinimalState,
                         testing::ValuesIn(machines_with([](const auto& machine) { return machine.in_tpm && !machine.states.empty(); })),
                         test_name);

TEST_P(StateOfFrozen, IsLaidOutAsTorLeftItAndOnAMachineFromBeforeThereIsNone) {
    // The second time it reads what this release may have written anew.
    for (int start = 0; start < 2; ++start) {
        const auto boot = machine.boot();
        ASSERT_EQ(boot.service.standing(), machine.manifest().in_tpm ? StateStanding::minimal : StateStanding::open);
        EXPECT_EQ(boot.given(), machine.given(machine.manifest().states));
        for (const auto& [name, relay] : boot.service.relays()) EXPECT_EQ(relay.reason, "") << name;
        EXPECT_EQ(boot.given().size(), machine.manifest().relays.size());
    }
}

TEST_P(StateOfFrozen, IsNotGivenToAnotherRelayOfTheName) {
    auto renamed = machine.manifest();
    for (auto& [name, relay] : renamed.relays) relay.fingerprint[0] = relay.fingerprint[0] == '0' ? '1' : '0';
    const StateBoot boot(machine.tpm(), machine.store_opener(), renamed, renamed.state_time);
    EXPECT_EQ(boot.given(), machine.given({}));
    EXPECT_EQ(boot.place.nothing.size(), renamed.relays.size());
}

TEST_P(StateOfFrozen, StaysShutAfterAnotherMeasurement) {
    machine.measure({{4, {0x77}}});
    const auto boot = machine.boot();
    EXPECT_EQ(boot.service.standing(), StateStanding::shut);
    EXPECT_EQ(boot.given(), machine.given({}));
    EXPECT_EQ(count_reasons(boot, "PCR 4"), machine.manifest().relays.size());
}

TEST_P(StateOfFrozen, GoesOnWithThisRelease) {
    const auto later = std::max(machine.manifest().state_time, some_day) + std::chrono::days(1);
    const auto state = state_of(77 << 20, later);
    {
        auto boot = machine.boot(later);
        for (const auto& name : machine.manifest().relays | std::views::keys) boot.place.running[name] = state_files(state);
        ASSERT_TRUE(is_success(boot.service.snapshot(SnapshotCause::stop)));
        ASSERT_EQ(boot.service.minimal_reason(), "");
    }
    const auto minimal = to_state_text(minimal_state(parse_state(state).value()).value());
    FrozenState expected{.source = "snapshot", .files = frozen_files(state_files(state)), .bandwidth = 77 << 20};
    if (machine.manifest().in_tpm) expected = {.source = "minimal", .files = {{state_file_name, minimal}}, .bandwidth = 77 << 20};
    const auto given = machine.boot(later).given();
    EXPECT_THAT(given | std::views::values | std::ranges::to<std::vector>(), testing::Each(expected));
    EXPECT_EQ(given.size(), machine.manifest().relays.size());
}

TEST_P(FrozenSnapshot, OneOctetChangedInASnapshotTakesItFromItsRelayAndOneInTheDirectoryFromAll) {
    const auto disk = machine.disk();
    const std::string slot = machine.snapshot_slots().back();
    const Octets whole = disk->read(slot).value();
    const auto relays = machine.manifest().states | std::views::keys | std::ranges::to<std::vector>();
    const auto bounds = object_bounds(whole, relays.size() + 1);
    for (std::size_t object = 0; object <= relays.size(); ++object) {
        for (const std::size_t at :
             {bounds[object], bounds[object] + 19, (bounds[object] + bounds[object + 1]) / 2, bounds[object + 1] - 1}) {
            Octets changed = whole;
            changed[at] ^= 1;
            disk->write(slot, changed).value();
            const auto boot = machine.boot();
            auto expected = object == 0 ? machine.given({}) : machine.manifest().states;
            if (object != 0) expected[relays[object - 1]] = machine.manifest().without_snapshots.at(relays[object - 1]);
            EXPECT_EQ(boot.given(), expected) << at;
            EXPECT_EQ(boot.service.standing(), object == 0 ? StateStanding::refused : StateStanding::open) << at;
            EXPECT_EQ(count_reasons(boot, "older ones have been put back"), object == 0 ? relays.size() : 0) << at;
        }
    }
    disk->write(slot, whole).value();
    EXPECT_EQ(machine.boot().given(), machine.manifest().states) << "and nothing of that is kept";
}

TEST_P(FrozenSnapshot, AnOlderSnapshotPutBackInBothSlotsIsRefused) {
    const auto disk = machine.disk();
    const auto [older, newest] = machine.snapshot_slots();
    disk->write(newest, disk->read(older).value()).value();
    const auto boot = machine.boot();
    EXPECT_EQ(boot.service.standing(), StateStanding::refused);
    EXPECT_EQ(boot.given(), machine.given({}));
}

TEST_P(FrozenSnapshot, IsReplacedByTheMinimalStateWhenItIsLostAndByNothingWhenThatIsChangedToo) {
    machine.lose_snapshots();
    EXPECT_EQ(machine.boot().given(), machine.given(machine.manifest().without_snapshots));
    for (const auto slot : machine.minimal_slots()) machine.change_minimal(slot);
    const auto boot = machine.boot();
    EXPECT_EQ(boot.given(), machine.given({}));
    EXPECT_EQ(count_reasons(boot, "has lost its snapshots"), machine.manifest().relays.size());
}

TEST_P(FrozenMinimalState, OneOctetChangedInTheNewestLeavesTheOlderOneWhichIsRefused) {
    const auto [older, newest] = machine.minimal_slots();
    machine.change_minimal(older);
    EXPECT_EQ(machine.boot().given(), machine.given(machine.manifest().states));
    machine.change_minimal(older);
    machine.change_minimal(newest);
    const auto boot = machine.boot();
    EXPECT_EQ(boot.service.standing(), StateStanding::refused);
    EXPECT_EQ(boot.given(), machine.given({}));
    EXPECT_EQ(boot.service.reason()->kind, ErrorKind::rollback);
}

}  // namespace
}  // namespace lethe
