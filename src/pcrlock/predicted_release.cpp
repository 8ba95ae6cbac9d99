#include "pcrlock/predicted_release.hpp"

#include <algorithm>
#include <ranges>
#include <set>

#include "measure/uki.hpp"
#include "pcrlock/opened_boot.hpp"
#include "tpm/policy.hpp"

namespace lethe {
namespace {

// PCR 9 is extended by the kernel, and is in no policy: systemd-pcrlock does not predict it.
const std::set<unsigned> release_pcrs{pcr::boot_loader_code, pcr::kernel_boot, pcr::kernel_config, pcr::sysexts};
constexpr std::array banks{Bank::sha256};

Result<Record> record_of(const MeasuredEvent& event) {
    const BankDigest digest = TRY(measurement_in(Bank::sha256, event.pcr, event.digests)).digest;
    Record record{event.pcr, {}};
    std::ranges::copy(digest.view(), record.digest.begin());
    return record;
}

// What PCR 4 holds when the firmware is about to measure the UKI.
Result<Digest> before_image(const EventLog& log, std::span<const Record> running) {
    const auto image = std::ranges::find(running, unsigned{pcr::boot_loader_code}, &Record::pcr);
    const auto is_image = [&](const LogEvent& event) {
        return event.firmware && event.pcr == pcr::boot_loader_code && event.digest == image->digest;
    };
    const auto event = image == running.end() ? log.events.end() : std::ranges::find_last_if(log.events, is_image).begin();
    if (event == log.events.end())
        return fail(ErrorKind::wrong_state, "the running UKI is not in the event log (PCR 4); reboot, and try again");
    Digest value{};
    for (const LogEvent& before : std::ranges::subrange(log.events.begin(), event))
        if (before.pcr == pcr::boot_loader_code) value = extended(value, before.digest);
    return value;
}

}  // namespace

Result<std::vector<Record>> release_records(const PredictedEvents& events) {
    std::vector<Record> records;
    for (const MeasuredEvent& event : events.release)
        if (release_pcrs.contains(event.pcr)) records.push_back(TRY(record_of(event)));
    return records;
}

Result<std::vector<PcrValues>> boots_of(std::span<const Record> records, const EventLog& log, std::span<const Record> running,
                                        const PcrValues& present) {
    PcrValues values = present;
    for (const unsigned number : release_pcrs) values[number] = {};
    values[pcr::boot_loader_code] = TRY(before_image(log, running));
    const auto extend = [&](const Record& record) { values[record.pcr] = extended(values[record.pcr], record.digest); };
    std::ranges::for_each(records, extend);
    std::vector<PcrValues> boots;
    for (const std::string_view phase : boot_phases) {
        extend(TRY(record_of(measured_phase(phase, banks))));
        if (std::ranges::contains(opening_phases, phase)) boots.push_back(values);
    }
    return boots;
}

bool admits_one_release(const PcrPolicy& policy) {
    const auto most = [](const AdmittedPcr& admitted) -> std::size_t {
        if (admitted.pcr == pcr::kernel_boot) return opening_phases.size();
        if (admitted.pcr == pcr::kernel_config) return values_of_one_boot(admitted);
        return admitted.pcr == pcr::sysexts ? 1 : admitted.values.size();
    };
    return !policy.empty() && std::ranges::all_of(policy, [&](const auto& admitted) { return admitted.values.size() <= most(admitted); });
}

// In PCR 4 the firmware may have failed to start something before, in each of some ways (pcrlock.d): no boot of the release has those
// values, and its policy does.
PcrPolicy policy_of_one(const PcrPolicy& both, const PcrPolicy& alone, std::span<const Record> running, std::span<const Record> records,
                        std::span<const PcrValues> boots) {
    const std::vector<Digest> config = config_values(records);
    const auto is_loaded = [](const Record& record) { return record.pcr == pcr::boot_loader_code; };
    const bool same_image = std::ranges::equal(running | std::views::filter(is_loaded), records | std::views::filter(is_loaded));
    const auto is_of_it = [&](unsigned pcr, const Digest& value) {
        if (!release_pcrs.contains(pcr) || (pcr == pcr::boot_loader_code && same_image)) return true;
        if (pcr == pcr::kernel_config) return std::ranges::contains(config, value);
        if (pcr != pcr::boot_loader_code) return std::ranges::any_of(boots, [&](const PcrValues& boot) { return boot.at(pcr) == value; });
        const auto of_running = std::ranges::find(alone, pcr, &AdmittedPcr::pcr);
        return of_running == alone.end() || !std::ranges::contains(of_running->values, value);
    };
    PcrPolicy one = both;
    for (auto& [pcr, values] : one) std::erase_if(values, [&](const Digest& value) { return !is_of_it(pcr, value); });
    return one;
}

bool is_as_before(const PcrPolicy& alone, const PcrPolicy& both) {
    return std::ranges::any_of(both, [&](const AdmittedPcr& admitted) {
        const auto found = std::ranges::find(alone, admitted.pcr, &AdmittedPcr::pcr);
        if (found == alone.end() || found->values.size() >= admitted.values.size()) return false;
        return std::ranges::contains(found->values, admitted.values.front());
    });
}

bool may_succeed(const PcrPolicy& made, const PcrPolicy& in_force) {
    const auto is_admitted = [&](const AdmittedPcr& pcr) {
        const auto present = std::ranges::find(in_force, pcr.pcr, &AdmittedPcr::pcr);
        if (present == in_force.end() || pcr.values.empty()) return false;
        const auto is_there = [&](const Digest& value) { return std::ranges::contains(present->values, value); };
        return pcr.pcr == pcr::kernel_config ? std::ranges::any_of(pcr.values, is_there) : std::ranges::all_of(pcr.values, is_there);
    };
    return made.size() == in_force.size() && admits_one_release(made) && std::ranges::all_of(made, is_admitted);
}

}  // namespace lethe
