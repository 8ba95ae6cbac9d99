// state snapshot STORE TPM OCTETS CACHE COUNT   enrols the machine in the empty folder STORE when it is not, with a TPM whose state is in
//                                               the file TPM; then takes COUNT snapshots of one relay with a state of OCTETS and cached
//                                               files of CACHE octets, each after tor has written its state anew
// state restore STORE TPM                       what lethe-stated does before it answers, with the last of them
// state day STORE TPM OCTETS CACHE MINUTES      a day of the service in which tor writes its state every MINUTES
// state most STORE TPM OCTETS CACHE             a day in which a snapshot is asked for every minute
//
// Prints a line of JSON for each snapshot, restoration or day: its times in nanoseconds, and what it cost the disk and the TPM.

#include <fcntl.h>

#include "base/file.hpp"
#include "metered_machine.hpp"

using namespace lethe;

namespace {

constexpr std::size_t cache_limit_octets = 15 << 20;

// Some snapshots: both slots are there, what is seen at the first look around is known, and the TPM has the history of the days that are
// over.
Result<void> settle(MeteredMachine& machine, const TorState& state, std::size_t cache_octets) {
    TRY(machine.enrol());
    TRY(machine.start(cache_octets == 0 ? 0 : cache_limit_octets));
    TRY(machine.restore());
    TRY(machine.tor.make_onion_keys());
    machine.tor.fill_cache(cache_octets);
    for (const auto time : {std::chrono::hours(1), std::chrono::hours(1), std::chrono::hours(48)}) {  // with the whole budget at last
        machine.tor.write_state(state.at(machine.now += time));
        TRY(machine.service->snapshot(SnapshotCause::request));
    }
    return {};
}

Result<void> take_snapshots(MeteredMachine& machine, std::size_t octets, std::size_t cache_octets, int count) {
    const TorState state(octets);
    TRY(settle(machine, state, cache_octets));
    for (int i = 0; i < count; ++i) {
        machine.tor.write_state(state.at(machine.now += std::chrono::minutes(10)));
        TRY(machine.measure([&] { return machine.service->snapshot(SnapshotCause::change); }));
    }
    return {};
}

Result<void> restore(MeteredMachine& machine) {
    TRY(machine.start(0));
    for (const auto& entry : fs::directory_iterator(machine.folder)) {
        const Fd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
        ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);  // as at a boot, when nothing of the disk has been read
    }
    TRY(machine.measure([&] { return machine.restore(); }));
    if (machine.service->relays().at("a").source == StateSource::snapshot) return {};
    return fail(ErrorKind::corrupt, "{}", machine.service->relays().at("a").reason);
}

// That the budget is spent is an answer, not a failure.
Result<void> try_snapshot(MeteredMachine& machine, SnapshotCause cause) {
    const auto taken = machine.service->snapshot(cause);
    if (!taken && taken.error().kind != ErrorKind::wrong_state) return std::unexpected(taken.error());
    return {};
}

Result<void> live_a_day(MeteredMachine& machine, std::size_t octets, std::size_t cache_octets, int every_minutes, SnapshotCause cause) {
    const TorState state(octets);
    TRY(settle(machine, state, cache_octets));
    // From midnight, with the whole budget: the first snapshot is of a day that is over.
    machine.now = std::chrono::ceil<std::chrono::days>(machine.now) + std::chrono::days(1);
    return machine.measure([&]() -> Result<void> {
        for (int minute = 0; minute < 24 * 60; ++minute, machine.now += std::chrono::minutes(1)) {
            if (minute % every_minutes == 0) {
                machine.tor.write_state(state.at(machine.now));
                TRY(try_snapshot(machine, cause));
            }
            if (minute % 60 == 0) TRY(try_snapshot(machine, SnapshotCause::timer));
        }
        return {};
    });
}

Result<void> run(const std::vector<std::string>& arguments) {
    const auto is = [&](std::string_view verb, std::size_t count) { return arguments.size() == count && arguments[0] == verb; };
    const auto number = [&](std::size_t at) { return static_cast<std::size_t>(std::stoull(arguments[at])); };
    if (arguments.size() < 3) return fail(ErrorKind::invalid_argument, "see the head of tests/bench/state.cpp");
    MeteredMachine machine{.folder = arguments[1], .tpm = SoftwareTpm(arguments[2])};
    if (is("snapshot", 6)) return take_snapshots(machine, number(3), number(4), static_cast<int>(number(5)));
    if (is("restore", 3)) return restore(machine);
    if (is("day", 6)) return live_a_day(machine, number(3), number(4), static_cast<int>(number(5)), SnapshotCause::change);
    if (is("most", 5)) return live_a_day(machine, number(3), number(4), 1, SnapshotCause::request);
    return fail(ErrorKind::invalid_argument, "see the head of tests/bench/state.cpp");
}

}  // namespace

int main(int count, char** values) {
    const auto done = run({values + 1, values + count});
    if (!done) std::cerr << "state: " << done.error().message << "\n";
    return done ? 0 : 1;
}
