#include "booted_pcrlock.hpp"

#include <algorithm>
#include <ranges>

#include "fake_pcrlock.hpp"
#include "measure/prediction.hpp"
#include "measure/uki.hpp"
#include "pcrlock/predicted_release.hpp"

namespace lethe {

namespace {

constexpr std::array banks{Bank::sha256};
constexpr std::size_t values_limit = 8;

Record record_of(const LogEvent& event) { return {event.pcr, event.digest}; }

// The records in their order, with others between them.
bool claim(std::vector<LogEvent>& events, const std::string& component, const std::vector<Record>& records) {
    std::vector<LogEvent*> claimed;
    auto next = records.begin();
    for (LogEvent& event : events) {
        if (next == records.end()) break;
        if (!event.component.empty() || record_of(event) != *next) continue;
        claimed.push_back(&event);
        ++next;
    }
    if (next != records.end()) return false;
    for (LogEvent* event : claimed) event->component = component;
    return true;
}

}  // namespace

LogEvent log_event(const MeasuredEvent& event, bool firmware) {
    LogEvent logged{.pcr = event.pcr, .digest = {}, .firmware = firmware, .type = "", .component = "", .description = event.what};
    std::ranges::copy(event.digests.at(Bank::sha256).view(), logged.digest.begin());
    return logged;
}

std::vector<LogEvent> secure_boot_events() {
    const auto event = [](std::string what) { return log_event(measured(pcr::secure_boot_policy, what, as_octets(what), banks), true); };
    return {event("PK, KEK, db and dbx"), event("the certificate that the image was checked with")};
}

BootedPcrlock::BootedPcrlock(Boot boot) : boot_(std::move(boot)) {
    const auto start = [](std::string_view what, OctetView octets) {
        return Records{record_of(log_event(measured(pcr::boot_loader_code, std::string(what), octets, banks), true))};
    };
    constexpr std::string_view calling = "Calling EFI Application from Boot Option";
    components["350-action-efi-application"]["static"] = start(calling, as_octets(calling));
    components["500-separator"]["static"] = start("separator", Octets(4));
    // As pcrlock.d has them: boot options that failed before.
    const Records once = start("a boot option that failed", as_octets("a boot option that failed"));
    auto& failures = components["600-boot-option-failures"];
    failures["100-two"] = {once.front(), once.front()};
    failures["200-one"] = once;
    failures["zzz-none"] = {};
}

std::set<std::string> BootedPcrlock::generated() const {
    std::set<std::string> names;
    for (const auto& [component, variants] : components)
        for (const auto& variant : variants | std::views::keys)
            if (variant != "static" && component != "600-boot-option-failures") names.insert(component + "/" + variant);
    return names;
}

PcrReport BootedPcrlock::report(unsigned pcr, const std::vector<LogEvent>& events) const {
    PcrReport report{true, true, true};
    Digest value{};
    for (const LogEvent& event : events) {
        if (event.pcr != pcr) continue;
        value = extended(value, event.digest);
        report.all_events_matched &= !event.component.empty();
    }
    report.matches_log = boot_.tpm.read_pcrs(std::array{pcr})->at(pcr) == value;
    for (const auto& [component, variants] : components) {
        const bool touches =
            std::ranges::any_of(variants, [&](const auto& variant) { return std::ranges::contains(variant.second, pcr, &Record::pcr); });
        const bool may_be_empty = std::ranges::any_of(variants, [](const auto& variant) { return variant.second.empty(); });
        if (touches && !may_be_empty && !std::ranges::contains(events, component, &LogEvent::component))
            report.no_missing_components = false;
    }
    return report;
}

EventLog BootedPcrlock::matched() const {
    EventLog log;
    log.events = boot_.events;
    for (const auto& [component, variants] : components)
        for (const auto& records : variants | std::views::values)
            if (claim(log.events, component, records)) break;
    for (unsigned pcr = 0; pcr < pcr_count; ++pcr) log.pcrs[pcr] = report(pcr, log.events);
    return log;
}

// A variant of each component with every variant of the others, in the order of their names, at the end of each opening phase.
AdmittedPcr BootedPcrlock::allowed(unsigned pcr) const {
    std::vector<Digest> values{{}};
    for (const auto& variants : components | std::views::values) {
        std::vector<Digest> next;
        for (const Digest& before : values)
            for (const Records& records : variants | std::views::values) {
                Digest value = before;
                for (const Record& record : records)
                    if (record.pcr == pcr) value = extended(value, record.digest);
                if (!std::ranges::contains(next, value)) next.push_back(value);
            }
        if (!variants.empty()) values = std::move(next);
    }
    AdmittedPcr allowed{pcr, {}};
    for (Digest value : values)
        for (const std::string_view phase : boot_phases) {
            const Record record = record_of(log_event(measured_phase(phase, banks), false));
            if (record.pcr == pcr) value = extended(value, record.digest);
            if (std::ranges::contains(opening_phases, phase) && !std::ranges::contains(allowed.values, value))
                allowed.values.push_back(value);
        }
    return allowed;
}

PcrPolicy BootedPcrlock::prediction(std::span<const unsigned> pcrs) const {
    const EventLog log = matched();
    PcrPolicy policy;
    for (const unsigned pcr : pcrs) {
        const PcrReport& report = log.pcrs.at(pcr);
        if (report.matches_log && report.all_events_matched && report.no_missing_components) policy.push_back(allowed(pcr));
    }
    return policy;
}

Result<EventLog> BootedPcrlock::log() {
    TRY(boot_.refuse("log"));
    return matched();
}

Result<PcrPolicy> BootedPcrlock::predict(std::span<const unsigned> pcrs) {
    TRY(boot_.refuse("predict"));
    PcrPolicy policy = prediction(pcrs);
    predicts_otherwise(policy);
    return policy;
}

// Its own PIN lies in its file, sealed under the policy that it finds there.
Result<void> BootedPcrlock::check_own_pin(const PolicyFile& present) const {
    if (!present.json.contains(policy_pin_blob)) return fail(ErrorKind::io, "Failed to unseal PIN: Integrity check failed");
    if (!TRY(is_in_force(present.policy, TRY(boot_.tpm.nv_read(present.nv_handle)))))
        return fail(ErrorKind::io, "the policy file is not the one in force");
    std::vector<unsigned> pcrs = present.policy | std::views::transform(&AdmittedPcr::pcr) | std::ranges::to<std::vector>();
    if (!refused_pcrs(present.policy, TRY(boot_.tpm.read_pcrs(pcrs))).empty())
        return fail(ErrorKind::io, "the policy in force does not admit this boot");
    return {};
}

Result<void> BootedPcrlock::make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) {
    TRY(boot_.refuse("make-policy"));
    PcrPolicy policy = prediction(pcrs);
    predicts_otherwise(policy);
    makes_otherwise(policy);
    if (std::ranges::any_of(policy, [](const AdmittedPcr& admitted) { return admitted.values.size() > values_limit; }))
        return fail(ErrorKind::io, "Argument list too long");
    std::string json = policy_json(policy, keys.index);
    if (file) {
        // With the PIN of the index it looks at no value of a PCR in its file.
        const bool knows_pin = !boot_.index_pin.empty() && as_text(keys.pin.expose()) == boot_.index_pin;
        const PolicyFile present = knows_pin ? PolicyFile{{}, keys.index, *file} : TRY(parse_policy_file(*file));
        if (!knows_pin) TRY(check_own_pin(present));
        json = TRY(with_policy(present, policy)).json;
    } else if (boot_.tpm.nv_index(keys.index)) {
        return fail(ErrorKind::io, "NV index already allocated");
    }
    boot_.before("systemd-pcrlock writes the index");
    if (!file) {
        ++indices_made;
        if (keys.index == policy_index_handle) boot_.index_pin = as_text(keys.pin.expose());
    }
    boot_.tpm.authorize(keys.index, lies_about_nv ? PcrPolicy{{4, {digest_of(0xee)}}} : policy);
    boot_.before("systemd-pcrlock writes its file");
    TRY(boot_.refuse("make-policy, between the index and its file"));
    file = std::move(json);
    return {};
}

Result<PolicyFile> BootedPcrlock::policy_file() {
    TRY(boot_.refuse("read the policy file"));
    if (!file) return fail(ErrorKind::not_found, "no policy file");
    return parse_policy_file(*file);
}

Result<void> BootedPcrlock::write_policy_file(std::string_view json) {
    TRY(boot_.refuse("write the policy file"));
    file = json;
    return {};
}

Result<void> BootedPcrlock::remove_policy_file() {
    TRY(boot_.refuse("remove the policy file"));
    file.reset();
    return {};
}

Result<BootedPcrlock::Records> BootedPcrlock::measured_uki(const std::filesystem::path& file) const {
    const Octets octets = TRY(boot_.read(file));
    BootFiles files{.uki = TRY(parse_pe(octets))};
    Records records;
    for (const MeasuredEvent& event : TRY(predict_boot(files, {.secure_boot = true}, banks)).release)
        if (event.pcr == pcr::boot_loader_code || event.pcr == pcr::kernel_boot) records.push_back(record_of(log_event(event, true)));
    return records;
}

Result<BootedPcrlock::Records> BootedPcrlock::measure(Measurable what, const std::filesystem::path& file) {
    TRY(boot_.refuse("measure " + file.filename().native()));
    if (what == Measurable::uki) return measured_uki(file);
    if (what == Measurable::secureboot_policy) return Records{record_of(secure_boot_events()[0])};
    if (what == Measurable::secureboot_authority) return Records{record_of(secure_boot_events()[1])};
    const Octets octets = TRY(boot_.read(file));
    return Records{record_of(log_event({pcr::boot_loader_code, "boot loader", authenticode(TRY(parse_pe(octets)), banks)}, true))};
}

Result<void> BootedPcrlock::write_component(const std::string& component, const std::string& variant, std::span<const Record> records) {
    TRY(boot_.refuse("write component " + component));
    components[component][variant] = {records.begin(), records.end()};
    return {};
}

Result<void> BootedPcrlock::clear_component(const std::string& component) {
    TRY(boot_.refuse("clear component " + component));
    components.erase(component);
    return {};
}

}  // namespace lethe
