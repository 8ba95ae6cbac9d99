#include "power_cut.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <ranges>

namespace lethe {

namespace {

// All of them where there is time (tools/soak); else so many that the whole stays within a minute.
std::size_t most_media() {
    const char* const cuts = std::getenv("LETHE_CUTS");
    return cuts != nullptr && std::string_view(cuts) == "all" ? 4096 : 40;
}

std::mt19937 seeded() {
    const char* const given = std::getenv("LETHE_CUTS_SEED");
    const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
    std::cout << "seed " << seed << " (LETHE_CUTS_SEED takes it again)\n";
    return std::mt19937(seed);
}

bool has_failed() { return testing::Test::HasFailure(); }

}  // namespace

std::vector<Persistent> Moment::after_cut(std::size_t most, std::mt19937& random) const {
    std::vector<Persistent> states;
    for (auto& medium : state.medium.after_cut(most, random)) states.push_back({std::move(medium), state.tpm, state.minted, state.seen});
    if (!write) return states;
    // A write that the TPM has not answered: any of its octets may be there, or erased.
    const auto add = [&](std::size_t from, std::size_t count, std::uint8_t erased) {
        if (count == 0) return;
        Octets octets = write->octets;
        for (auto& octet : octets) octet |= erased;
        states.push_back(state);
        (void)states.back().tpm.nv_write(write->handle, static_cast<std::uint16_t>(write->offset + from),
                                         OctetView(octets).subspan(from, count));
    };
    const std::size_t all = write->octets.size(), half = all / 2;
    add(0, half, 0);
    add(half, all - half, 0);
    add(0, 1, 0);
    add(0, all, 0xff);
    add(0, all, 0);
    return states;
}

namespace {

std::string fingerprint_in(CutMachine& machine, const std::string& relay) {
    const auto& relays = machine.daemon().relays();
    const auto found = relays.find(relay);
    return found == relays.end() ? "" : found->second.fingerprint;
}

// Whole, or not there at all: nothing in between.
void expect_whole(CutMachine& machine) {
    EXPECT_EQ(machine.enrolment_failure, "");
    EXPECT_EQ(machine.daemon().vault().state, VaultState::open)
        << machine.daemon().vault().reason.value_or(Error{ErrorKind::io, ""}).message;
    for (const auto& [name, relay] : machine.daemon().relays()) {
        EXPECT_EQ(relay.state, RelayState::installed) << name << ": " << relay.reason;
        EXPECT_TRUE(relay.fingerprints && machine.place().manifests.contains(name) &&
                    machine.place().manifests.at(name) == manifest_of(*relay.fingerprints))
            << name;
    }
    EXPECT_EQ(machine.daemon().relays().size(), machine.place().manifests.size());
    EXPECT_FALSE(machine.daemon().recovery_trouble());
    EXPECT_FALSE(machine.daemon().rekeying_trouble()) << machine.daemon().rekeying_trouble()->message;
}

void expect_as_it_may_be(const Operation& operation, CutMachine& machine, const std::map<std::string, std::string>& seen) {
    for (const auto& [relay, fingerprint] : seen) {
        if (operation.may_be.contains(relay)) continue;
        EXPECT_EQ(fingerprint_in(machine, relay), fingerprint) << relay << " is another one now";
    }
    for (const auto& [relay, fingerprints] : operation.may_be)
        EXPECT_TRUE(fingerprints.contains(fingerprint_in(machine, relay))) << relay << " is " << fingerprint_in(machine, relay);
}

// Two cuts can tear both slots of keys that no tor has seen: such a relay stays pending until its operator says `create`.
void create_what_is_torn(CutMachine& machine) {
    const auto relays = machine.daemon().relays();
    for (const auto& [name, relay] : relays) {
        if (relay.state != RelayState::pending || machine.state.seen.contains(name)) continue;
        const auto created = machine.daemon().create_relay(name);
        EXPECT_TRUE(created) << created.error().message;
    }
}

// Brings a machine that was cut to the end of the operation, as its operator would.
void finish(const Operation& operation, CutMachine& machine, bool cut_twice) {
    const auto seen = machine.state.seen;
    machine.boot();
    if (cut_twice) create_what_is_torn(machine);
    if (operation.opens_before || machine.daemon().vault().state == VaultState::open) {
        expect_whole(machine);
        expect_as_it_may_be(operation, machine, seen);
        operation.expect_after_cut(machine);
    } else {
        EXPECT_TRUE(machine.place().manifests.empty());
    }
    if (has_failed()) return;
    if (operation.command) {
        const auto done = operation.command(machine);
        EXPECT_TRUE(done || operation.when_done.contains(done.error().kind)) << done.error().message;
    }
    operation.expect_done(machine);
    const int minted = machine.state.minted;
    const auto before = machine.daemon().relays();
    machine.boot();
    expect_whole(machine);
    operation.expect_done(machine);
    EXPECT_EQ(machine.daemon().relays() | std::views::keys | std::ranges::to<std::vector>(),
              before | std::views::keys | std::ranges::to<std::vector>());
    EXPECT_EQ(machine.state.minted, minted) << "a boot after the end has made keys";
}

std::vector<Moment> moments_of(const Operation& operation, CutMachine& machine) {
    return machine.record([&] {
        if (!operation.command) return machine.boot();
        const auto done = operation.command(machine);
        EXPECT_TRUE(done) << done.error().message;
    });
}

struct Cutter {
    const Operation& operation;
    bool in_tpm;
    std::mt19937 random = seeded();
    std::size_t states = 0;

    void run(std::size_t again) {
        CutMachine machine(in_tpm);
        machine.relays = operation.relays;
        operation.prepare(machine);
        const auto moments = moments_of(operation, machine);
        operation.expect_done(machine);
        if (has_failed()) return;
        std::vector<Persistent> all;
        for (const auto& moment : moments) {
            for (auto& state : moment.after_cut(most_media(), random)) {
                const auto trace = std::format("{}, cut before: {};{}", operation.name, moment.next, state.medium.story());
                SCOPED_TRACE(trace);
                end_from(state, false);
                if (has_failed()) return;
                if (again > 0) all.push_back(std::move(state));
            }
        }
        for (; again > 0 && !has_failed(); --again) cut_again(all[random() % all.size()]);
        std::cout << operation.name << (in_tpm ? " in the TPM: " : ": ") << moments.size() << " moments, " << states << " states\n";
    }

    void end_from(const Persistent& state, bool cut_twice) {
        CutMachine machine(in_tpm, state);
        machine.relays = operation.relays;
        finish(operation, machine, cut_twice);
        ++states;
    }

    // Power comes back, and goes again while what was cut is brought to its end.
    void cut_again(const Persistent& state) {
        CutMachine machine(in_tpm, state);
        machine.relays = operation.relays;
        const auto moments = machine.record([&] {
            machine.boot();
            if (operation.command) (void)operation.command(machine);
        });
        constexpr std::size_t sample = 5;
        for (std::size_t i = 0; i < sample && !has_failed(); ++i) {
            const auto& moment = moments[random() % moments.size()];
            const auto after = moment.after_cut(12, random);
            const auto& chosen = after[random() % after.size()];
            const auto trace = std::format("{}, cut:{}; and again before: {};{}", operation.name, state.medium.story(), moment.next,
                                           chosen.medium.story());
            SCOPED_TRACE(trace);
            end_from(chosen, true);
        }
    }
};

}  // namespace

std::size_t cut_everywhere(const Operation& operation, bool in_tpm, std::size_t again) {
    Cutter cutter{operation, in_tpm};
    cutter.run(again);
    return cutter.states;
}

}  // namespace lethe
