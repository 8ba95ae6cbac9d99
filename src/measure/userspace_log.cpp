#include "measure/userspace_log.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace lethe {
namespace {

constexpr std::size_t limit_octets = 1 << 20;
constexpr char record_start = '\x1e', record_end = '\n';

Result<BankDigests> parse_digests(const nlohmann::json& record) {
    BankDigests digests;
    for (const nlohmann::json& entry : *TRY(json_array(record, "digests"))) {
        const std::string algorithm = TRY(json_text(entry, "hashAlg"));
        const Octets octets = TRY(from_hex(TRY(json_text(entry, "digest"))));
        if (const auto bank = bank_named(algorithm)) TRY(add_digest(digests, *bank, octets));
    }
    return digests;
}

Result<UserspaceEvent> parse_record(std::string_view record) {
    if (!record.starts_with(record_start)) return fail(ErrorKind::corrupt, "a record separator is expected");
    if (!record.ends_with(record_end)) return fail(ErrorKind::corrupt, "the record is cut short");
    record = record.substr(1, record.size() - 2);
    const nlohmann::json json = TRY(parse_json(record, limit_octets));
    const nlohmann::json& content = json_member(json, "content");
    return UserspaceEvent{TRY(json_number(json, "pcr", pcr_count - 1)), TRY(parse_digests(json)),
                          TRY(json_optional_text(content, "eventType")), TRY(json_optional_text(content, "string"))};
}

}  // namespace

Result<std::vector<UserspaceEvent>> parse_userspace_log(std::string_view log) {
    if (log.size() > limit_octets)
        return fail(ErrorKind::corrupt, "systemd's measurement log has {} octets where at most {} are expected", log.size(), limit_octets);
    std::vector<UserspaceEvent> events;
    for (std::size_t start = 0; start < log.size();) {
        const std::size_t end = std::min(log.find(record_start, start + 1), log.size());
        auto event = parse_record(log.substr(start, end - start));
        if (!event)
            return in_context(event.error(), std::format("record {} of systemd's measurement log, at octet {}", events.size(), start));
        events.push_back(*std::move(event));
        start = end;
    }
    return events;
}

Result<std::vector<Measurement>> measurements(const std::vector<UserspaceEvent>& events, Bank bank) {
    std::vector<Measurement> all;
    for (const UserspaceEvent& event : events) all.push_back(TRY(measurement_in(bank, event.pcr, event.digests)));
    return all;
}

}  // namespace lethe
