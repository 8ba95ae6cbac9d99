#include "pcrlock/component.hpp"

#include <algorithm>

#include "pcrlock/json.hpp"

namespace lethe {

namespace {

constexpr std::size_t limit_octets = 1 << 20;
constexpr unsigned boot_loader_pcr = 4;
constexpr unsigned sections_pcr = 11;
constexpr unsigned last_stub_pcr = 13;

Result<Digest> sha256_digest(const nlohmann::json& record) {
    for (const nlohmann::json& bank : *TRY(json_array(record, "digests")))
        if (TRY(json_text(bank, "hashAlg")) == "sha256") return json_digest(bank, "digest");
    return fail(ErrorKind::corrupt, "a record without a SHA-256 digest");
}

Result<std::vector<Record>> parse(std::string_view text) {
    const nlohmann::json document = TRY(parse_json(text, limit_octets));
    std::vector<Record> records;
    for (const nlohmann::json& record : *TRY(json_array(document, "records")))
        records.push_back({TRY(json_pcr(record)), TRY(sha256_digest(record))});
    return records;
}

std::vector<Digest> digests_in(std::span<const Record> records, unsigned pcr) {
    std::vector<Digest> digests;
    for (const Record& record : records)
        if (record.pcr == pcr) digests.push_back(record.digest);
    return digests;
}

// Of the events that no other component accounts for: those in PCR 4 from `image` on, and all that the stub measured.
std::vector<Record> records_from(const EventLog& log, std::vector<LogEvent>::const_iterator image) {
    std::vector<Record> records;
    for (auto event = log.events.begin(); event != log.events.end(); ++event) {
        if (!event->firmware || !event->component.empty()) continue;
        const bool of_stub = event->pcr == boot_loader_pcr ? event >= image : event->pcr >= sections_pcr && event->pcr <= last_stub_pcr;
        if (of_stub) records.push_back({event->pcr, event->digest});
    }
    return records;
}

}  // namespace

Result<std::vector<Record>> parse_component(std::string_view json) {
    auto records = parse(json);
    if (!records) return in_context(records.error(), "not a component of systemd-pcrlock");
    return records;
}

std::string encode_component(std::span<const Record> records) {
    nlohmann::json array = nlohmann::json::array();
    for (const Record& record : records)
        array.push_back({{"pcr", record.pcr}, {"digests", {{{"hashAlg", "sha256"}, {"digest", to_hex(record.digest)}}}}});
    return nlohmann::json{{"records", array}}.dump() + "\n";
}

Result<std::vector<Record>> booted_uki_records(const EventLog& log, std::span<const Record> uki) {
    const std::vector<Digest> images = digests_in(uki, boot_loader_pcr);
    // The last such event: an earlier one is of an attempt that failed, and must not be asked of every boot.
    const auto start = std::ranges::find_last_if(log.events, [&](const LogEvent& event) {
                           return event.firmware && event.pcr == boot_loader_pcr && std::ranges::contains(images, event.digest);
                       }).begin();
    if (start == log.events.end())
        return fail(ErrorKind::wrong_state,
                    "the UKI's image is not in the event log (PCR 4): the file is not what was booted; reboot into it first");

    std::vector<Digest> sections;
    for (const LogEvent& event : log.events)
        if (event.firmware && event.pcr == sections_pcr) sections.push_back(event.digest);
    if (const auto expected = digests_in(uki, sections_pcr); sections != expected) {
        const auto differing = std::ranges::mismatch(sections, expected).in1 - sections.begin();
        return fail(ErrorKind::wrong_state,
                    "measurement {} of {} in PCR 11 is not the UKI's: the file is not what was booted; reboot into it first", differing + 1,
                    std::max(sections.size(), expected.size()));
    }
    return records_from(log, start);
}

Result<std::vector<Record>> booted_network_records(const EventLog& log) {
    const auto call = std::ranges::find_last_if(log.events, [](const LogEvent& event) {
                          return event.firmware && event.pcr == boot_loader_pcr && event.type == "efi-action";
                      }).begin();
    auto records = records_from(log, call);
    if (std::ranges::none_of(records, [](const Record& record) { return record.pcr == boot_loader_pcr; }))
        return fail(ErrorKind::wrong_state, "the event log names no image that was loaded (PCR 4): it cannot be locked");
    return records;
}

}  // namespace lethe
