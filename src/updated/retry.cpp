// What becomes of a release whose trial failed for want of the network alone. Whoever holds up the machine's traffic in its trial would
// otherwise hold it at the release before for as long as they like.
#include <algorithm>

#include "updated/candidate.hpp"

namespace lethe {
namespace {

// From one trial to the next.
constexpr std::array<std::chrono::hours, 4> windows{std::chrono::hours(1), std::chrono::hours(4), std::chrono::hours(12),
                                                    std::chrono::hours(24)};

std::chrono::sys_seconds due(const LastUpdate::NetworkWait& wait, std::chrono::sys_seconds now) {
    const auto trials = std::clamp<std::size_t>(wait.trials, 1, windows.size());
    // The clock of before may have been ahead: no window is longer for that.
    return std::min(wait.since.value_or(now), now) + windows[trials - 1];
}

// The trial itself says so of a file that the boot loader has started; what it says is about the release that can still follow.
bool may_wait(const StagedRelease& staged, const LastUpdate::Note& note, bool complete, const ReleaseName& running) {
    if (staged.state == StagedState::staged || note.version != staged.name.version || !note.network) return false;
    return (!complete || !note.network->since) && goes_first(staged.name, running);
}

bool has_files_of(UpdateMachine& machine, const std::string& version, const Result<BootReading>& running) {
    const auto beside = machine.releases.beside(version);
    if (!beside || !running || beside->size() != running->files().beside.size()) return false;
    return std::ranges::all_of(running->files().beside, [&](const CpioFile& file) {
        const auto found = beside->find(file.name);
        return found != beside->end() && std::ranges::equal(found->second, file.octets);
    });
}

std::string waiting_text(const StagedRelease& staged, const std::string& reason) {
    return std::format(
        "release {} was healthy in all but the network, in {} {}: {}. Somebody may be blocking the network to hold the update back: see "
        "that "
        "time servers and the Tor network can be reached, then try it with `lethectl update retry`. It is staged again at {:%F %H:%M} UTC; "
        "`lethectl update abort` gives it up",
        staged.name.version, staged.trials, staged.trials == 1 ? "trial" : "trials", reason, *staged.again);
}

// A refusal is about the release, and no waiting changes it.
bool is_refusal(ErrorKind kind) {
    return kind == ErrorKind::policy_mismatch || kind == ErrorKind::corrupt || kind == ErrorKind::rollback ||
           kind == ErrorKind::already_exists || kind == ErrorKind::invalid_argument;
}

}  // namespace

bool UpdateService::is_waiting(const std::string& version) const {
    return status_.staged && status_.staged->state == StagedState::waiting && status_.staged->name.version == version;
}

// One with files of its own beside it does not wait: nothing would tell, when it is staged again, who has put there what lies there then.
void UpdateService::judge_waiting(UpdateMachine& machine, const std::vector<StoredRelease>& releases) {
    const auto note = ports_.last_update.read();
    if (!status_.staged || !note) return;
    StagedRelease& staged = *status_.staged;
    const auto stored = std::ranges::find(releases, staged.name, &StoredRelease::name);
    const bool is_complete = stored != releases.end() && stored->complete;
    if (!may_wait(staged, *note, is_complete, machine.running.name)) return;
    if (is_complete && !has_files_of(machine, staged.name.version, ports_.read_boot(machine.booted))) return;
    staged.state = StagedState::waiting;
    staged.trials = note->network->trials + (note->network->since ? 0 : 1);
    staged.again = due({staged.trials, note->network->since}, ports_.now());
    status_.last_failure = waiting_text(staged, note->reason);
}

Result<void> UpdateService::take_off(UpdateMachine& machine, const std::string& version) {
    return is_waiting(version) ? machine.releases.withhold(version) : machine.releases.remove(version);
}

// Once its file is withheld: of one that can be started, only what its own trial has noted counts. A time that lies ahead comes down to
// now.
Result<void> UpdateService::count_trial() {
    auto note = ports_.last_update.read();
    if (!note || !note->network || !is_waiting(note->version)) return {};
    const auto now = ports_.now();
    if (note->network->since && *note->network->since <= now) return {};
    note->network = {.trials = status_.staged->trials, .since = now};
    return ports_.last_update.write(*note);
}

Result<std::string> UpdateService::retry(bool at_once) {
    // Cheap, for what a timer asks.
    const auto note = ports_.last_update.read();
    const bool is_due = note && note->network && due(*note->network, ports_.now()) <= ports_.now();
    if (!at_once && !is_due) return "";
    auto machine = TRY(open_for_change());
    if (!status_.staged || status_.staged->state != StagedState::waiting) {
        if (!at_once) return "";
        return fail(ErrorKind::not_found, "no release waits for the network; see `lethectl update show`");
    }
    ports_.progress("checking the release", 5);
    const ReleaseName waiting = status_.staged->name;
    const Octets image = TRY(machine.releases.withheld(waiting));
    TRY(stage_again(machine, waiting, image));
    return waiting.version;
}

Result<void> UpdateService::stage_again(UpdateMachine& machine, const ReleaseName& waiting, OctetView image) {
    const BootReading running = TRY(ports_.read_boot(machine.booted));
    const auto checked = [&] -> Result<Candidate> {
        TRY(check_secure_boot(machine.running, image));
        Candidate candidate = TRY(offered_release(machine.running, running, TRY(ports_.trust(machine.booted.secure_boot)), image, {}));
        if (candidate.name.version != waiting.version)
            return fail(ErrorKind::corrupt, "{} holds release {}", waiting.file(), candidate.name.version);
        return candidate;
    };
    const auto candidate = checked();
    if (candidate) return stage(machine, *candidate, &waiting);  // what fails here may be of this boot, and another one may do it
    if (is_refusal(candidate.error().kind)) return give_up(machine, waiting.version, candidate.error());
    return std::unexpected(candidate.error());
}

Result<void> UpdateService::give_up(UpdateMachine& machine, const std::string& version, const Error& why) {
    TRY(ports_.last_update.write({version, "it could not be staged again: " + why.message}));
    TRY(machine.releases.remove(version));
    TRY(look_around(machine));
    return std::unexpected(why);
}

}  // namespace lethe
