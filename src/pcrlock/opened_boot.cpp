#include "pcrlock/opened_boot.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include "measure/measurement.hpp"
#include "tpm/policy.hpp"

namespace lethe {
namespace {

// The numbers put them before all that a boot extends, and the second word before the first.
const std::string opened_component = "100-lethe-opened", opening_component = "101-lethe-opening";
// Of the variants the first one that matches is taken, and none matches always.
const std::string recorded = "1-recorded", not_recorded = "2-not";

// Of a TPM that takes some milliseconds a command; what is waited for takes some tens.
constexpr std::chrono::milliseconds poll_interval{20};

Record record_of(std::string_view word) { return {pcr::kernel_config, sha256(as_octets(word))}; }

Result<void> lock_word(Pcrlock& pcrlock, const std::string& component, std::string_view word) {
    TRY(pcrlock.write_component(component, recorded, std::array{record_of(word)}));
    return pcrlock.write_component(component, not_recorded, {});
}

bool is_word(const LogEvent& event) {
    if (event.firmware || event.pcr != pcr::kernel_config) return false;
    return event.digest == record_of(opening_word).digest || event.digest == record_of(opened_word).digest;
}

}  // namespace

Result<void> lock_opening(Pcrlock& pcrlock, bool starts_empty) {
    TRY(lock_word(pcrlock, opened_component, opened_word));
    return starts_empty ? lock_word(pcrlock, opening_component, opening_word) : Result<void>();
}

Result<void> unlock_opening(Pcrlock& pcrlock) {
    TRY(pcrlock.clear_component(opened_component));
    return pcrlock.clear_component(opening_component);
}

std::size_t values_of_one_boot(const AdmittedPcr& config) { return std::ranges::contains(config.values, Digest{}) ? 4 : 2; }

std::vector<Digest> config_values(std::span<const Record> records) {
    const auto after = [&](std::initializer_list<std::string_view> words) {
        Digest value{};
        for (const std::string_view word : words) value = extended(value, record_of(word).digest);
        for (const Record& record : records)
            if (record.pcr == pcr::kernel_config) value = extended(value, record.digest);
        return value;
    };
    std::vector<Digest> values{after({}), after({opened_word})};
    if (values.front() == Digest{}) values.insert(values.end(), {after({opening_word}), after({opened_word, opening_word})});
    return values;
}

bool was_opened(const EventLog& log) { return std::ranges::any_of(log.events, is_word); }

Result<PcrValues> before_opening(PcrValues present, const EventLog& log) {
    const auto config = present.find(pcr::kernel_config);
    if (config == present.end() || !was_opened(log)) return present;
    Digest before{}, now{};
    for (const LogEvent& event : log.events) {
        if (event.pcr != pcr::kernel_config) continue;
        now = extended(now, event.digest);
        if (!is_word(event)) before = extended(before, event.digest);
    }
    if (now != config->second)
        return fail(ErrorKind::policy_mismatch,
                    "PCR 12 is not what the event log adds up to, so that its value before the vault was opened is not known; reboot, and "
                    "try again");
    config->second = before;
    return present;
}

Result<PcrValues> read_pcrs_before_opening(Tpm& tpm, Pcrlock& pcrlock, std::span<const unsigned> pcrs) {
    PcrValues present = TRY(tpm.read_pcrs(pcrs));
    if (!present.contains(pcr::kernel_config)) return present;
    return before_opening(std::move(present), TRY(pcrlock.log()));
}

Result<void> close_opening(Tpm& tpm, const PcrPolicy* in_force, const RecordWord& record, std::chrono::milliseconds limit) {
    const auto value = [&]() -> Result<Digest> { return TRY(tpm.read_pcrs(std::array{pcr::kernel_config})).at(pcr::kernel_config); };
    const auto extend = [&](std::string_view word) -> Result<void> {
        const Digest before = TRY(value());
        TRY(record(word));
        const auto end = std::chrono::steady_clock::now() + limit;
        while (TRY(value()) == before) {
            if (std::chrono::steady_clock::now() > end)
                return fail(ErrorKind::tpm_unavailable,
                            "{} was not recorded in PCR {}, so that the vault could be opened again in this boot: see `systemctl status "
                            "'lethe-record@*'`, and reboot",
                            word, pcr::kernel_config);
            std::this_thread::sleep_for(poll_interval);
        }
        return {};
    };
    if (!in_force) {
        TRY(record(opening_word));
        return record(opened_word);
    }
    const auto config = std::ranges::find(*in_force, unsigned{pcr::kernel_config}, &AdmittedPcr::pcr);
    if (config == in_force->end()) return {};
    if (TRY(value()) == Digest{}) TRY(extend(opening_word));
    return std::ranges::contains(config->values, TRY(value())) ? extend(opened_word) : Result<void>();
}

}  // namespace lethe
