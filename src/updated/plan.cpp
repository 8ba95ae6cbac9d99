// What an update would change, before anything is written.
#include <algorithm>
#include <ranges>
#include <set>

#include "measure/replay.hpp"
#include "pcrlock/predicted_release.hpp"
#include "updated/candidate.hpp"

namespace lethe {
namespace {

std::vector<const MeasuredEvent*> events_in(const PredictedEvents& events, unsigned pcr) {
    std::vector<const MeasuredEvent*> found;
    for (const MeasuredEvent& event : events.release)
        if (event.pcr == pcr) found.push_back(&event);
    return found;
}

// The first event that is another one; one that is no more there is named as well.
std::string cause_of(const PredictedEvents& running, const PredictedEvents& next, unsigned pcr) {
    const auto before = events_in(running, pcr), after = events_in(next, pcr);
    for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
        if (i >= after.size()) return before[i]->what + " is left out";
        if (i >= before.size() || before[i]->digests != after[i]->digests) return after[i]->what;
    }
    return {};
}

// PCR 9 after the start of the kernel, which nobody extends later.
Result<Digest> predicted_kernel_initrd(const PredictedEvents& events) {
    std::vector<Measurement> measurements;
    for (const MeasuredEvent* event : events_in(events, pcr::kernel_initrd))
        measurements.push_back(TRY(measurement_in(Bank::sha256, event->pcr, event->digests)));
    const PcrBank bank = TRY(replay(Bank::sha256, measurements));
    Digest value{};
    std::ranges::copy(bank[pcr::kernel_initrd].view(), value.begin());
    return value;
}

// What the policy holds, and what a release decides on or is checked with besides.
std::set<unsigned> planned_pcrs(const UpdateMachine& machine) {
    std::set<unsigned> pcrs{pcr::boot_loader_code, pcr::secure_boot_policy, pcr::kernel_initrd,
                            pcr::kernel_boot,      pcr::kernel_config,      pcr::sysexts};
    pcrs.insert(machine.pcrs.begin(), machine.pcrs.end());
    return pcrs;
}

Result<PlannedUpdate> planned(const UpdatePorts& ports, UpdateMachine& machine, const BootReading& reading, const Candidate& next) {
    const Candidate running = TRY(stored_release(machine.running.name, machine.booted.secure_boot, reading.files()));
    const auto pcrs = planned_pcrs(machine) | std::ranges::to<std::vector>();
    const EventLog log = TRY(ports.pcrlock.log());
    const PcrValues present = TRY(before_opening(TRY(machine.tpm->read_pcrs(pcrs)), log));
    auto boots = TRY(boots_of(next.records, log, running.records, present));
    for (PcrValues& boot : boots) boot[pcr::kernel_initrd] = TRY(predicted_kernel_initrd(next.events));
    PlannedUpdate plan{machine.running.name.version, next.name.version, {}};
    for (const auto& [pcr, value] : present) {
        const bool required = std::ranges::contains(machine.pcrs, pcr);
        PlannedPcr row{pcr, value, {}, cause_of(running.events, next.events, pcr), required};
        for (const PcrValues& boot : boots)
            if (!std::ranges::contains(row.predicted, boot.at(pcr))) row.predicted.push_back(boot.at(pcr));
        plan.pcrs.push_back(std::move(row));
    }
    return plan;
}

}  // namespace

Result<PlannedUpdate> UpdateService::preview(OctetView file, const StageOptions& options) {
    auto machine = TRY(open_for_staging());
    TRY(check_secure_boot(machine.running, file));
    const BootReading reading = TRY(ports_.read_boot(machine.booted));
    const auto trust = TRY(ports_.trust(machine.booted.secure_boot));
    return planned(ports_, machine, reading, TRY(offered_release(machine.running, reading, trust, file, options)));
}

Result<PlannedUpdate> UpdateService::plan() {
    auto machine = TRY(UpdateMachine::open(ports_));
    TRY(look_around(machine));
    if (!status_.staged || status_.staged->state != StagedState::staged) return fail(ErrorKind::not_found, "no release is staged");
    const BootReading reading = TRY(ports_.read_boot(machine.booted));
    const BootReading staged = TRY(ports_.read_boot(machine.booted_as(status_.staged->name)));
    return planned(ports_, machine, reading, TRY(stored_release(status_.staged->name, machine.booted.secure_boot, staged.files())));
}

}  // namespace lethe
