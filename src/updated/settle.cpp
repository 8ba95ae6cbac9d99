// How things are, and what a cut or a failed trial has left.
#include <algorithm>
#include <tuple>

#include "pcrlock/predicted_release.hpp"
#include "tpm/policy.hpp"
#include "updated/candidate.hpp"

namespace lethe {
namespace {

StagedState state_of(const StoredRelease& release, const ReleaseName& running) {
    if (!release.complete) return StagedState::unfinished;
    const BootTries tries = release.name.tries.value_or(BootTries{});
    // One that the boot loader does not prefer was chosen for one boot; that boot is over.
    const bool failed = tries.left == 0 || (tries.done > 0 && !goes_first(release.name, running));
    return failed ? StagedState::failed : StagedState::staged;
}

// A release that was put there to be tried. One without tries was kept once, or is what its removal has left.
std::optional<StagedRelease> staged_among(const std::vector<StoredRelease>& releases, const ReleaseName& running) {
    std::optional<StagedRelease> staged;
    for (const StoredRelease& release : releases) {
        if (release.name.version == running.version || !release.name.tries) continue;
        const StagedRelease found{release.name, state_of(release, running)};
        if (!staged || found.state == StagedState::staged) staged = found;
    }
    return staged;
}

Result<bool> is_admitted(const UpdatePorts& ports, UpdateMachine& machine, const ReleaseName& name, std::span<const Record> running,
                         const EventLog& log) {
    const BootReading reading = TRY(ports.read_boot(machine.booted_as(name)));
    const Candidate candidate = TRY(stored_release(name, machine.booted.secure_boot, reading.files()));
    const auto boots = TRY(boots_of(candidate.records, log, running, TRY(machine.present())));
    return std::ranges::all_of(boots, [&](const PcrValues& boot) { return refused_pcrs(machine.in_force.policy, boot).empty(); });
}

// Which others the policy opens the vault to. A release whose files cannot be read is none of them.
Result<std::vector<std::string>> admitted(const UpdatePorts& ports, UpdateMachine& machine, const std::vector<StoredRelease>& releases) {
    std::vector<std::string> versions{machine.running.name.version};
    if (admits_one_release(machine.in_force.policy)) return versions;
    const BootReading reading = TRY(ports.read_boot(machine.booted));
    const Candidate running = TRY(stored_release(machine.running.name, machine.booted.secure_boot, reading.files()));
    const EventLog log = TRY(ports.pcrlock.log());
    for (const StoredRelease& release : releases) {
        if (!release.complete || release.name.version == versions.front()) continue;
        if (is_admitted(ports, machine, release.name, running.records, log).value_or(false)) versions.push_back(release.name.version);
    }
    return versions;
}

// Whether it may still be kept, whatever was noted of it.
bool is_open(const std::string& version, const UpdateStatus& status) {
    const bool is_staged = status.staged && status.staged->state == StagedState::staged && status.staged->name.version == version;
    return is_staged || status.running->name.version == version;
}

bool is_of(const std::optional<LastUpdate::Note>& note, const std::string& version) { return note && note->version == version; }

PolicyState policy_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::wrong_state:
            return PolicyState::not_enrolled;
        case ErrorKind::policy_mismatch:
        case ErrorKind::rollback:
            return PolicyState::mismatch;
        case ErrorKind::not_found:
            return PolicyState::none;
        default:
            return PolicyState::unknown;
    }
}

}  // namespace

// Without a machine, or a policy, there is nothing to be known but why.
Result<void> UpdateService::missing(const Error& error) {
    status_ = {};
    status_.policy = policy_of(error.kind);
    status_.reason = error.message;
    return std::unexpected(error);
}

Result<void> UpdateService::look_around(UpdateMachine& machine) {
    status_ = {};
    if (const auto read = machine.read_policy(ports_); !read) return missing(read.error());
    status_.policy = PolicyState::unknown;
    status_.running = machine.running;
    const auto releases = TRY(machine.releases.list());
    status_.staged = staged_among(releases, machine.running.name);
    if (const auto note = ports_.last_update.read(); note && !is_open(note->version, status_))
        status_.last_failure = std::format("release {} was tried and not kept: {}", note->version, note->reason);
    status_.admitted = TRY(admitted(ports_, machine, releases));
    if (machine.running.on_trial()) status_.policy = PolicyState::trial;
    else if (machine.in_force.policy.empty()) status_.policy = PolicyState::mismatch;
    else status_.policy = admits_one_release(machine.in_force.policy) ? PolicyState::running : PolicyState::staged;
    if (!machine.repaired.empty()) repaired_ = machine.repaired;
    status_.reason = repaired_;
    return {};
}

// The health check has written why; a boot that did not come as far has not.
Result<void> UpdateService::note_failure(const std::string& version) {
    if (is_of(ports_.last_update.read(), version)) return {};
    return ports_.last_update.write(version, "no boot of it came to boot-complete.target");
}

// An older one leaves the policy before it leaves the ESP, so that at no instant it is only hidden. One that the boot loader may start
// before the running one goes first: shut out and still there, it would be what each boot takes.
Result<void> UpdateService::shut_others_out(UpdateMachine& machine) {
    const ReleaseName& running = machine.running.name;
    for (const StoredRelease& release : TRY(machine.releases.list()))
        if (release.name.version != running.version && !release.name.tries && !goes_first(running, release.name))
            TRY(machine.releases.remove(release.name.version));
    return narrow(machine);
}

Result<void> UpdateService::settle(UpdateMachine& machine) {
    TRY(look_around(machine));
    if (status_.running->on_trial()) return {};
    const bool nothing_staged = !status_.staged || status_.staged->state != StagedState::staged;
    if (status_.staged && status_.staged->state == StagedState::failed) TRY(note_failure(status_.staged->name.version));
    if (!nothing_staged || (!status_.staged && status_.policy == PolicyState::running)) return {};
    TRY(shut_others_out(machine));
    if (status_.staged) TRY(machine.releases.remove(status_.staged->name.version));
    return look_around(machine);
}

Result<UpdateMachine> UpdateService::open_settled() {
    auto machine = UpdateMachine::open(ports_);
    const auto settled = machine ? settle(*machine) : missing(machine.error());
    if (!settled) status_.reason = settled.error().message;
    return machine;
}

void UpdateService::settle() { std::ignore = open_settled(); }

Result<void> UpdateService::commit() {
    auto machine = UpdateMachine::open(ports_);
    const auto looked = machine ? look_around(*machine) : missing(machine.error());
    if (status_.policy == PolicyState::none || status_.policy == PolicyState::not_enrolled) return {};  // nothing to be kept, nor to go
    if (!looked) return looked;
    if (status_.running->on_trial())
        return fail(ErrorKind::wrong_state, "release {} is still on trial: boot-complete.target was not reached, see lethe-health.service",
                    status_.running->name.version);
    if (status_.staged && status_.staged->state == StagedState::staged) return {};
    if (!admits_one_release(machine->in_force.policy)) {
        ports_.progress("keeping the running release", 10);
        TRY(shut_others_out(*machine));
    }
    // Noted at an earlier boot, or when it was staged; from here on no cut undoes it.
    if (is_of(ports_.last_update.read(), status_.running->name.version)) TRY(ports_.last_update.remove());
    for (const StoredRelease& release : TRY(machine->releases.list()))
        if (release.name.version != machine->running.name.version) TRY(machine->releases.remove(release.name.version));
    ports_.progress("only the running release is admitted", 100);
    return look_around(*machine);
}

}  // namespace lethe
