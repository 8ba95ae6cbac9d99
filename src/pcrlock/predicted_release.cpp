#include "pcrlock/predicted_release.hpp"

#include <algorithm>
#include <ranges>
#include <set>

#include "measure/uki.hpp"
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
Result<Digest> before_image(const EventLog& log, const Digest& running_image) {
    const auto is_image = [&](const LogEvent& event) {
        return event.firmware && event.pcr == pcr::boot_loader_code && event.digest == running_image;
    };
    const auto image = std::ranges::find_last_if(log.events, is_image).begin();
    if (image == log.events.end())
        return fail(ErrorKind::wrong_state, "the running UKI is not in the event log (PCR 4); reboot, and try again");
    Digest value{};
    for (const LogEvent& event : std::ranges::subrange(log.events.begin(), image))
        if (event.pcr == pcr::boot_loader_code) value = extended(value, event.digest);
    return value;
}

}  // namespace

Result<PredictedRelease> predict_release(const PredictedEvents& events, const EventLog& log, const Digest& running_image,
                                         const PcrValues& present) {
    PredictedRelease predicted;
    PcrValues values = present;
    for (const unsigned number : release_pcrs) values[number] = {};
    values[pcr::boot_loader_code] = TRY(before_image(log, running_image));
    for (const MeasuredEvent& event : events.release) {
        if (!release_pcrs.contains(event.pcr)) continue;
        const Record record = TRY(record_of(event));
        values[record.pcr] = extended(values[record.pcr], record.digest);
        predicted.records.push_back(record);
    }
    for (const std::string_view phase : boot_phases) {
        const Record record = TRY(record_of(measured_phase(phase, banks)));
        values[record.pcr] = extended(values[record.pcr], record.digest);
        if (std::ranges::contains(opening_phases, phase)) predicted.boots.push_back(values);
    }
    return predicted;
}

}  // namespace lethe
