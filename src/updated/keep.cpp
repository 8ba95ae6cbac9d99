// How the running release is kept, and how the boots of one on trial are counted. What runs decides, and no name of a file: whoever can
// write to the ESP can give the files what names they like.
#include <algorithm>
#include <tuple>

#include "pcrlock/predicted_release.hpp"
#include "updated/candidate.hpp"

namespace lethe {
namespace {

// The boot loader does not count a file that it cannot rename.
bool is_uncounted(const UpdateMachine& machine) {
    return !machine.booted.counted && is_same_on_fat(machine.booted.booted_as, machine.running.file);
}

}  // namespace

Result<void> UpdateService::rename(UpdateMachine& machine, const ReleaseName& name) {
    TRY(machine.esp->rename(machine.running.file, name.file()));
    machine.booted.uki = machine.booted.uki->parent_path() / name.file();
    machine.running.name = name;
    machine.running.file = name.file();
    return {};
}

// The boot loader could start either of them, and the one that does not count ends no trial.
Result<void> UpdateService::remove_twins(UpdateMachine& machine) {
    if (!machine.running.named) return {};
    for (const std::string& twin : TRY(machine.releases.remove_twins(machine.running.name.version, machine.running.file)))
        notice(
            std::format("{} was beside {}, which runs: two files of one release, of which the boot loader may start either; the other one "
                        "is removed",
                        twin, machine.running.file));
    return {};
}

// The boot loader takes the number of tries from the name.
void UpdateService::count_boot(UpdateMachine& machine) {
    const BootTries named = *machine.running.name.tries;
    BootTries tries = named;
    if (is_uncounted(machine)) tries = {named.left - std::min(named.left, 1U), named.done + 1};
    tries.left = std::min(tries.left, boots_to_try - std::min(tries.done, boots_to_try));
    if (tries == named) return;
    const std::string file = machine.running.file;
    if (const auto renamed = rename(machine, {machine.running.name.version, tries}); !renamed)
        return failures_.push_back(
            std::format("this boot cannot be counted: {}; check the file system of the ESP", renamed.error().message));
    notice(
        std::format("the boot loader did not count this boot in the name of {}, as of a file that is read-only, or the name had more tries "
                    "than {}; it is {} now",
                    file, boots_to_try, machine.running.file));
}

Result<void> UpdateService::bless(UpdateMachine& machine) {
    TRY(remove_twins(machine));
    if (!machine.running.name.tries) return {};
    if (is_uncounted(machine))
        notice(std::format(
            "the boot loader did not count this boot in the name of {}, as of a file that is read-only; it is kept all the same",
            machine.running.file));
    if (auto renamed = rename(machine, {.version = machine.running.name.version}); !renamed)
        return in_context(renamed.error(),
                          std::format("release {} was found good, and its file goes on counting boots", machine.running.name.version));
    return {};
}

// An older one leaves the policy before it leaves the ESP, so that at no instant it is only hidden. One that the boot loader may start
// before the running one goes first: shut out and still there, it would be what each boot takes.
Result<void> UpdateService::shut_others_out(UpdateMachine& machine) {
    const ReleaseName& running = machine.running.name;
    for (const StoredRelease& release : TRY(machine.releases.list())) {
        const bool is_exhausted = release.name.tries && release.name.tries->left == 0;
        if (is_running(release.name, machine.running) || !release.complete || is_exhausted || goes_first(running, release.name)) continue;
        // The policy is what matters: it is narrowed even where this fails, which the removal of all others then says.
        std::ignore = take_off(machine, release.name.version);
    }
    return narrow(machine);
}

// The running image under another release's name goes when the same lies under its own, so that the other can be staged again.
Result<void> UpdateService::take_false_name_off(UpdateMachine& machine) {
    const auto other = parse_release_name(machine.running.file);
    if (machine.running.named || !other) return {};
    const auto own = TRY(machine.releases.find(machine.running.name.version));
    if (!own || !own->complete) return {};
    Disk& images = machine.esp->images();
    const bool is_same = TRY(images.read(own->name.file())) == TRY(images.read(machine.running.file)) &&
                         TRY(machine.releases.beside(own->name.version)) == TRY(machine.releases.beside(other->version));
    if (!is_same) return {};
    TRY(machine.releases.remove(other->version));
    machine.running.name = own->name;
    machine.running.file = own->name.file();
    machine.running.named = true;
    machine.booted.uki = machine.booted.uki->parent_path() / machine.running.file;
    return {};
}

// Names tell nothing of it: the files of before, beside the image or instead of it, may lie under the name of what was staged.
Result<void> UpdateService::note_passed_over(const std::string& running) {
    if (const auto note = ports_.last_update.read(); note && note->version != running) return {};
    return ports_.last_update.write(
        {"that was staged", "what was booted is, in its image or in the files beside it, what ran before; stage it again"});
}

// Whatever the ESP refuses, the policy is narrowed.
Result<void> UpdateService::keep_alone(UpdateMachine& machine) {
    auto blessed = bless(machine);
    const PcrPolicy before = machine.in_force.policy;
    if (!admits_one_release(before) || machine.lacks_secure_boot()) {
        ports_.progress("keeping the running release", 10);
        TRY(shut_others_out(machine));
        if (!status_.staged && is_as_before(machine.in_force.policy, before)) TRY(note_passed_over(machine.running.name.version));
    }
    // Noted at an earlier boot, or when it was staged; from here on no cut undoes it.
    if (const auto note = ports_.last_update.read(); note && note->version == machine.running.name.version)
        TRY(ports_.last_update.remove());
    if (!TRY(machine.esp->one_shot()).empty()) TRY(machine.esp->set_one_shot(""));
    for (const StoredRelease& release : TRY(machine.releases.list()))
        if (!is_running(release.name, machine.running)) TRY(take_off(machine, release.name.version));
    TRY(take_false_name_off(machine));
    TRY(count_trial());
    ports_.progress("only the running release is admitted", 100);
    return blessed;
}

Result<void> UpdateService::keep(UpdateMachine& machine) {
    trouble_.clear();
    const auto kept = keep_alone(machine);
    if (!kept) trouble_ = kept.error().message;
    // What lies there may not be what was booted.
    if (!kept && !admits_one_release(machine.in_force.policy) && insist())
        failures_.push_back("the policy admits this boot alone, by what was measured, though what runs could not be kept");
    const auto looked = look_around(machine);
    return kept ? looked : kept;
}

// Whatever lies on the ESP, and whatever variables say of this boot: once it was found good, the policy admits no other. What is staged,
// and not tried yet, stays.
Result<void> UpdateService::insist() {
    if (!is_complete()) return {};
    const auto esp = ports_.open_esp();
    if (esp && !(*esp)->one_shot().value_or("").empty()) return {};
    if (auto repaired = TRY(admit_by_log(ports_)); !repaired.empty()) failures_.push_back(std::move(repaired));
    return {};
}

Result<void> UpdateService::commit() {
    failures_.clear();
    clean_variables();
    auto machine = UpdateMachine::open(ports_);
    const auto looked = machine ? look_around(*machine) : missing(machine.error());
    if (!looked) {
        if (machine) status_.reason = looked.error().message;
        const std::size_t before = failures_.size();
        if (const auto narrowed = insist(); !narrowed) failures_.push_back(narrowed.error().message);
        const bool is_good = failures_.size() == before;
        if (is_good && (status_.policy == PolicyState::none || status_.policy == PolicyState::not_enrolled))
            return {};  // nothing to be kept
        for (const std::string& failure : failures_)
            if (!status_.reason.contains(failure)) status_.reason += "; " + failure;
        if (!is_good && status_.policy == PolicyState::none) status_.policy = PolicyState::unknown;
        return fail(looked.error().kind, "{}", status_.reason);
    }
    if (status_.running->trial)
        return fail(ErrorKind::wrong_state, "release {} is still on trial: boot-complete.target was not reached, see lethe-health.service",
                    status_.running->name.version);
    if (status_.policy == PolicyState::staged) return {};
    return keep(*machine);
}

}  // namespace lethe
