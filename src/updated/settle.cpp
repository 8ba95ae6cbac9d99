// How things are, and what a cut, a failed trial or another system has left.
#include <algorithm>
#include <tuple>

#include "pcrlock/predicted_release.hpp"
#include "tpm/policy.hpp"
#include "updated/candidate.hpp"

namespace lethe {
namespace {

// What is staged is what the boot loader has been told to start next, and has not started yet. All others that count boots were tried, or
// passed over: a name alone keeps nothing in the policy.
StagedState state_of(const StoredRelease& release, const std::string& next_entry) {
    if (!release.complete) return StagedState::unfinished;
    const bool is_next = release.name.tries->left > 0 && ReleaseName{release.name.version}.file() == next_entry;
    return is_next ? StagedState::staged : StagedState::failed;
}

// A release that was put there to be tried. One without tries was kept once, or is what its removal has left.
std::optional<StagedRelease> staged_among(const std::vector<StoredRelease>& releases, const RunningRelease& running,
                                          const std::string& next_entry) {
    std::optional<StagedRelease> staged;
    for (const StoredRelease& release : releases) {
        if (is_running(release.name, running) || !release.name.tries) continue;
        const StagedRelease found{release.name, state_of(release, next_entry)};
        if (!staged || found.state == StagedState::staged) staged = found;
    }
    return staged;
}

Result<bool> is_admitted(const UpdatePorts& ports, UpdateMachine& machine, const ReleaseName& name, std::span<const Record> running,
                         const EventLog& log) {
    const BootReading reading = TRY(ports.read_boot(machine.booted_as(name)));
    const Candidate candidate = TRY(stored_release(name, machine.booted.secure_boot, reading.files()));
    const auto boots = TRY(boots_of(candidate.records, log, running, TRY(machine.present(log))));
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
        if (!release.complete || is_running(release.name, machine.running)) continue;
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

std::string too_wide(const UpdateStatus& status, const std::string& why) {
    const std::string other = status.admitted.size() > 1 ? "release " + status.admitted[1] : "a release that is not on the ESP";
    return std::format(
        "{} still opens the vault besides {}, which runs{}{}. It is taken out of the policy when this boot is found good, and "
        "at each start of lethe-updated; `lethectl update commit` tries it now",
        other, status.running->name.version, why.empty() ? "" : ": ", why);
}

}  // namespace

// Without a machine, or a policy, there is nothing to be known but why.
Result<void> UpdateService::missing(const Error& error) {
    status_ = {};
    status_.policy = policy_of(error.kind);
    status_.reason = error.message;
    for (const std::string& text : notices_) status_.reason += "; " + text;
    return std::unexpected(error);
}

// Systemd that does not answer has found nothing good.
bool UpdateService::is_complete() { return ports_.boot_complete().value_or(false); }

PolicyState UpdateService::policy_state(UpdateMachine& machine) {
    if (status_.running->trial) return PolicyState::trial;
    if (admits_one_release(machine.in_force.policy)) return PolicyState::running;
    return status_.staged && status_.staged->state == StagedState::staged ? PolicyState::staged : PolicyState::wide;
}

Result<void> UpdateService::look_around(UpdateMachine& machine) {
    status_ = {};
    if (const auto read = machine.read_policy(ports_); !read) return missing(read.error());
    status_.policy = PolicyState::unknown;
    status_.running = machine.running;
    status_.running->trial = machine.running.name.tries && !is_complete();
    const auto releases = TRY(machine.releases.list());
    status_.staged = staged_among(releases, machine.running, TRY(machine.esp->one_shot()));
    judge_waiting(machine, releases);
    if (const auto note = ports_.last_update.read(); note && !is_open(note->version, status_) && !is_waiting(note->version))
        status_.last_failure = std::format("release {} was tried and not kept: {}", note->version, note->reason);
    status_.admitted = TRY(admitted(ports_, machine, releases));
    if (!machine.repaired.empty()) notice(machine.repaired);
    status_.policy = policy_state(machine);
    tell(machine);
    return {};
}

void UpdateService::tell(UpdateMachine& machine) {
    std::vector<std::string> reasons = failures_;
    reasons.insert(reasons.end(), notices_.begin(), notices_.end());
    if (status_.policy == PolicyState::wide) reasons.insert(reasons.begin(), too_wide(status_, trouble_));
    else if (!trouble_.empty()) reasons.insert(reasons.begin(), trouble_);
    if (!machine.running.named)
        reasons.push_back(
            std::format("this boot was of {}, which is {}: rename it to {}, and the folder beside it", machine.booted.uki->native(),
                        parse_release_name(machine.running.file) ? std::format("release {} by what it holds", machine.running.name.version)
                                                                 : "no name of a release",
                        ReleaseName{machine.running.name.version}.file()));
    for (const std::string& reason : reasons) status_.reason += (status_.reason.empty() ? "" : "; ") + reason;
}

void UpdateService::notice(std::string text) {
    if (!std::ranges::contains(notices_, text)) notices_.push_back(std::move(text));
}

void UpdateService::clean_variables() {
    const auto removed = ports_.clean_variables();
    if (!removed)
        return failures_.push_back(
            std::format("an EFI variable that another system has left cannot be removed ({}): clear it in the firmware's setup",
                        removed.error().message));
    if (removed->empty()) return;
    std::string names;
    for (const std::string& name : *removed) names += (names.empty() ? "" : ", ") + name;
    notice(
        std::format("another system had left EFI variables that hide what the boot loader says, or choose its entry: {}; they are "
                    "removed, and the next boot is without them",
                    names));
}

// The health check has written why; a boot that did not come as far has not.
Result<void> UpdateService::note_failure(const StagedRelease& staged) {
    const auto note = ports_.last_update.read();
    // What was noted before it was tried once more is not about that trial.
    const bool is_of_before = note && note->network && note->network->since;
    if (is_of(note, staged.name.version) && !is_of_before) return {};
    const bool is_tried = staged.name.tries && staged.name.tries->done > 0;
    return ports_.last_update.write({staged.name.version, is_tried ? "no boot of it came to boot-complete.target"
                                                                   : "the boot loader did not start it; stage it again"});
}

// A boot of another release than its name says was none of that one.
Result<void> UpdateService::note_false_name(const UpdateMachine& machine) {
    const auto name = parse_release_name(machine.running.file);
    if (machine.running.named || !name || is_of(ports_.last_update.read(), name->version)) return {};
    return ports_.last_update.write(
        {name->version, std::format("what was booted under its name was release {}: somebody has changed the ESP; stage it again",
                                    machine.running.name.version)});
}

// The health of this boot decides on the release, and the boot loader's counting ends its trial; where it cannot count, this does. What
// there is no release to fall back to from needs no other one in the policy.
Result<void> UpdateService::settle_trial(UpdateMachine& machine) {
    if (const auto removed = remove_twins(machine); !removed) failures_.push_back(removed.error().message);
    count_boot(machine);
    if (admits_one_release(machine.in_force.policy) || status_.admitted.size() > 1) return look_around(machine);
    TRY(narrow(machine));
    return look_around(machine);
}

Result<void> UpdateService::settle(UpdateMachine& machine) {
    TRY(look_around(machine));
    TRY(note_false_name(machine));
    if (status_.running->trial) return settle_trial(machine);
    const bool nothing_staged = !status_.staged || status_.staged->state != StagedState::staged;
    if (status_.staged && status_.staged->state == StagedState::failed) TRY(note_failure(*status_.staged));
    const bool is_settled = !status_.staged && status_.policy == PolicyState::running && !machine.running.name.tries &&
                            !machine.lacks_secure_boot() && (machine.running.named || !parse_release_name(machine.running.file));
    return !nothing_staged || is_settled ? Result<void>() : keep(machine);
}

Result<UpdateMachine> UpdateService::open_settled() {
    failures_.clear();
    clean_variables();
    auto machine = UpdateMachine::open(ports_);
    const auto settled = machine ? settle(*machine) : missing(machine.error());
    if (!settled && !status_.reason.contains(settled.error().message))
        status_.reason = settled.error().message + (status_.reason.empty() ? "" : "; ") + status_.reason;
    return machine;
}

void UpdateService::settle() { std::ignore = open_settled(); }

}  // namespace lethe
