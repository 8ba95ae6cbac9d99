#include "updated/bus_plan.hpp"

namespace lethe {
namespace {

using PcrRow = sdbus::Struct<std::uint32_t, std::vector<std::uint8_t>, std::vector<std::vector<std::uint8_t>>, std::string, bool>;

std::vector<std::uint8_t> octets_of(const Digest& digest) { return {digest.begin(), digest.end()}; }

PcrRow row_of(const PlannedPcr& pcr) {
    std::vector<std::vector<std::uint8_t>> predicted;
    for (const Digest& value : pcr.predicted) predicted.push_back(octets_of(value));
    return PcrRow{pcr.pcr, octets_of(pcr.present), predicted, pcr.cause, pcr.required};
}

std::uint64_t seconds_of(const WeightedTime& time) { return static_cast<std::uint64_t>(time.count()); }

// What is not known is left out.
void add_figures(VariantMap& relay, const ConsensusFigures& figures, const std::string& suffix) {
    if (figures.mean_time_between_failures) relay["mtbf" + suffix] = sdbus::Variant{seconds_of(*figures.mean_time_between_failures)};
    if (figures.fractional_uptime) relay["wfu" + suffix] = sdbus::Variant{*figures.fractional_uptime};
    if (figures.time_known) relay["time-known" + suffix] = sdbus::Variant{seconds_of(*figures.time_known)};
}

VariantMap to_variants(const RebootCost::Relay& relay) {
    std::vector<std::string> at_risk;
    for (const FlagRisk& risk : relay.cost.at_risk) at_risk.push_back(risk.flag);
    VariantMap map{{"name", sdbus::Variant{relay.name}},
                   {"flags", sdbus::Variant{relay.flags}},
                   {"at-risk", sdbus::Variant{at_risk}},
                   {"why", sdbus::Variant{in_words(relay.cost)}}};
    add_figures(map, relay.cost.before, "");
    add_figures(map, relay.cost.after, "-after");
    return map;
}

}  // namespace

VariantMap to_variants(const PlannedUpdate& update, const RebootCost& cost) {
    std::vector<PcrRow> pcrs;
    for (const PlannedPcr& pcr : update.pcrs) pcrs.push_back(row_of(pcr));
    std::vector<VariantMap> relays;
    for (const RebootCost::Relay& relay : cost.relays) relays.push_back(to_variants(relay));
    return {{"running", sdbus::Variant{update.running}},
            {"staged", sdbus::Variant{update.staged}},
            {"pcrs", sdbus::Variant{pcrs}},
            {"relays", sdbus::Variant{relays}},
            {"downtime", sdbus::Variant{static_cast<std::uint64_t>(cost.downtime.count())}},
            {"advised", sdbus::Variant{static_cast<std::uint64_t>(cost.advice.at.time_since_epoch().count())}},
            {"advice", sdbus::Variant{cost.advice.why}}};
}

}  // namespace lethe
