#include "pcrlock/event_log.hpp"

#include "pcrlock/json.hpp"

namespace lethe {

namespace {

constexpr std::size_t limit_octets = 1 << 20;

Result<LogEvent> parse_event(const nlohmann::json& row) {
    LogEvent event;
    event.pcr = TRY(json_pcr(row));
    event.digest = TRY(json_digest(row, "sha256"));
    event.firmware = TRY(json_optional_text(row, "phase")) == "F";
    event.type = TRY(json_optional_text(row, "event"));
    event.component = TRY(json_optional_text(row, "component"));
    event.description = TRY(json_optional_text(row, "description"));
    return event;
}

Result<EventLog> parse(std::string_view text) {
    const nlohmann::json document = TRY(parse_json(text, limit_octets));
    EventLog log;
    for (const nlohmann::json& row : *TRY(json_array(document, "log"))) log.events.push_back(TRY(parse_event(row)));
    for (const nlohmann::json& row : *TRY(json_array(document, "pcrs")))
        log.pcrs[TRY(json_pcr(row))] = {.matches_log = TRY(json_boolean(row, "hashMatchesEventLog")),
                                        .all_events_matched = TRY(json_boolean(row, "allEventsMatched")),
                                        .no_missing_components = TRY(json_boolean(row, "noMissingComponents"))};
    return log;
}

}  // namespace

Result<EventLog> parse_event_log(std::string_view json) {
    auto log = parse(json);
    if (!log) return in_context(log.error(), "the event log of systemd-pcrlock does not parse");
    return log;
}

std::vector<std::string> missing_components(std::string_view standard_error) {
    constexpr std::string_view start = "Couldn't find component '";
    std::vector<std::string> names;
    for (std::size_t at = standard_error.find(start); at != std::string_view::npos; at = standard_error.find(start, at)) {
        at += start.size();
        names.emplace_back(standard_error.substr(at, standard_error.find('\'', at) - at));
    }
    return names;
}

}  // namespace lethe
