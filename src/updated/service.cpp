#include "updated/service.hpp"

#include "updated/candidate.hpp"

namespace lethe {
namespace {

// Of a release that the boot loader takes for one boot. Nothing else tells later that it was tried, when power goes after that boot was
// blessed and before it was kept.
constexpr auto undone_by_a_cut = "the one boot that it had ended before it was kept; stage it again";

// What was done before is undone; when that fails as well, the next start tries it again.
std::unexpected<Error> undone(const Error& error, const Result<void>& undoing) {
    if (undoing) return std::unexpected(error);
    return fail(error.kind, "{}. Undoing it failed as well ({}); that is tried again at the next start", error.message,
                undoing.error().message);
}

}  // namespace

std::string_view name_of(StagedState state) {
    switch (state) {
        case StagedState::staged:
            return "staged";
        case StagedState::failed:
            return "failed";
        case StagedState::waiting:
            return "waiting";
        case StagedState::unfinished:
            return "unfinished";
    }
    return "";
}

std::string_view name_of(PolicyState state) {
    switch (state) {
        case PolicyState::none:
            return "none";
        case PolicyState::not_enrolled:
            return "not-enrolled";
        case PolicyState::running:
            return "running";
        case PolicyState::staged:
            return "staged";
        case PolicyState::trial:
            return "trial";
        case PolicyState::wide:
            return "wide";
        case PolicyState::unknown:
            return "unknown";
        case PolicyState::mismatch:
            return "mismatch";
    }
    return "";
}

Result<UpdateMachine> UpdateService::open_for_change() {
    auto machine = TRY(open_settled());
    if (machine.in_force.policy.empty())
        return fail(ErrorKind::policy_mismatch, "what the policy admits is not known, and it cannot be written again: {}", status_.reason);
    if (machine.running.name.tries && !is_complete())
        return fail(ErrorKind::wrong_state, "release {} is on trial itself: wait until it is kept, see `lethectl update show`",
                    machine.running.name.version);
    return machine;
}

// What is staged is left as it is: a person has to say that it is to go. One that waits for the network gives way to what is staged now.
Result<UpdateMachine> UpdateService::open_for_staging() {
    auto machine = TRY(open_for_change());
    if (status_.staged && status_.staged->state != StagedState::waiting)
        return fail(ErrorKind::already_exists,
                    "release {} is staged: reboot into it with `lethectl update reboot`, or take it back with "
                    "`lethectl update abort`",
                    status_.staged->name.version);
    return machine;
}

Result<std::string> UpdateService::stage(OctetView file, const StageOptions& options) {
    auto machine = TRY(open_for_staging());
    ports_.progress("checking the release", 5);
    TRY(check_secure_boot(machine.running, file));
    const BootReading running = TRY(ports_.read_boot(machine.booted));
    const Candidate candidate =
        TRY(offered_release(machine.running, running, TRY(ports_.trust(machine.booted.secure_boot)), file, options));
    TRY(stage(machine, candidate));
    return candidate.name.version;
}

Result<std::string> UpdateService::stage_configuration(const BesideFiles& files, const std::vector<std::string>& drop) {
    auto machine = TRY(open_for_staging());
    ports_.progress("predicting the boot with this configuration", 5);
    const BootReading running = TRY(ports_.read_boot(machine.booted));
    const Candidate candidate = TRY(other_configuration(machine.running, running, files, drop));
    TRY(stage(machine, candidate));
    return candidate.name.version;
}

// Its image is there already.
Result<void> UpdateService::stage(UpdateMachine& machine, const Candidate& candidate, const ReleaseName* waiting) {
    if (is_same_on_fat(candidate.name.version, parse_release_name(machine.running.file).value_or(ReleaseName{}).version))
        return fail(ErrorKind::wrong_state,
                    "{}, which runs, is release {} by what it holds and would be written over: rename it to {}, or stage a release of "
                    "another version",
                    machine.booted.uki->native(), machine.running.name.version, ReleaseName{machine.running.name.version}.file());
    if (!waiting && status_.staged) TRY(machine.releases.remove(status_.staged->name.version));
    std::vector<std::uint64_t> sizes;
    for (const auto& [name, octets] : candidate.beside) sizes.push_back(octets.size());
    if (const auto lacking = TRY(machine.releases.lacks(waiting ? 0 : candidate.image.size(), sizes)); lacking > 0)
        return fail(ErrorKind::io, "{} has no room for release {}: {} octets more are needed", machine.esp->place().native(),
                    candidate.name.version, lacking);

    // How often one that waits was tried has to outlive its next trial.
    if (!waiting) TRY(ports_.last_update.remove());
    ports_.progress("writing the release to the ESP", 15);
    if (const auto done = put(machine, candidate, waiting); !done) {
        ports_.progress("undoing it", 95);
        const auto restored = undo(machine, candidate, waiting != nullptr);
        if (const auto looked = look_around(machine); !looked) status_.reason = looked.error().message;
        return undone(done.error(), restored);
    }
    trouble_.clear();
    ports_.progress("staged", 100);
    // It is staged, whether or not that can be looked at now.
    if (const auto looked = look_around(machine); !looked) status_.reason = looked.error().message;
    return {};
}

Result<void> UpdateService::put(UpdateMachine& machine, const Candidate& candidate, const ReleaseName* waiting) {
    // First, while nothing is there that it could start: EFI variables that cannot be written are found before anything else is. A boot
    // that does not start what it was told to has passed it over.
    TRY(machine.esp->set_one_shot(ReleaseName{candidate.name.version}.file()));
    if (waiting) TRY(machine.releases.write_again(*waiting, candidate.name, candidate.image, candidate.beside));
    else TRY(machine.releases.write(candidate.name, candidate.image, candidate.beside));
    TRY(admit(ports_, machine, &candidate));
    ports_.progress("making it the next to boot", 90);
    if (!goes_first(candidate.name, machine.running.name)) TRY(ports_.last_update.write({candidate.name.version, undone_by_a_cut}));
    return machine.releases.complete(candidate.name, candidate.image);
}

// The policy is narrowed whatever the ESP refuses.
Result<void> UpdateService::undo(UpdateMachine& machine, const Candidate& candidate, bool waited) {
    const std::string& version = candidate.name.version;
    const auto removed = (waited ? machine.releases.withhold(version) : machine.releases.remove(version))
                             .and_then([&] { return waited ? Result<void>() : ports_.last_update.remove(); })
                             .and_then([&] { return machine.esp->set_one_shot(""); });
    const auto narrowed = narrow(machine);
    return removed ? narrowed : removed;
}

Result<void> UpdateService::narrow(UpdateMachine& machine) {
    TRY(admit(ports_, machine, nullptr));
    trouble_.clear();
    return {};
}

Result<void> UpdateService::abort() {
    auto machine = TRY(UpdateMachine::open(ports_));
    TRY(look_around(machine));
    const bool noted = ports_.last_update.read().has_value();
    TRY(ports_.last_update.remove());
    if (!status_.staged && noted) return look_around(machine);
    if (!status_.staged) return fail(ErrorKind::not_found, "no release is staged");
    ports_.progress("taking the staged release off the ESP", 10);
    TRY(machine.releases.remove(status_.staged->name.version));
    TRY(machine.esp->set_one_shot(""));
    TRY(narrow(machine));
    ports_.progress("only the running release is admitted", 100);
    return look_around(machine);
}

Result<void> UpdateService::choose_staged() {
    auto machine = TRY(UpdateMachine::open(ports_));
    TRY(look_around(machine));
    // One that was to be next, and is no more by somebody's doing, is chosen again.
    if (!status_.staged || status_.staged->state == StagedState::unfinished || status_.staged->state == StagedState::waiting ||
        status_.staged->name.tries->left == 0)
        return {};
    return machine.esp->set_one_shot(ReleaseName{status_.staged->name.version}.file());
}

}  // namespace lethe
