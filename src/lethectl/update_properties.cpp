#include "lethectl/update_properties.hpp"

namespace lethe::ctl {
namespace {

using Details = std::map<std::string, sdbus::Variant>;
using PcrRow = sdbus::Struct<std::uint32_t, Octets, std::vector<Octets>, std::string, bool>;

RunningRelease to_running(const Details& release) {
    return {.version = value<std::string>(release, "version"),
            .file = value<std::string>(release, "file"),
            .secure_boot = value<bool>(release, "secure-boot"),
            .trial = value<bool>(release, "trial")};
}

std::optional<StagedRelease> to_staged(const Details& release) {
    if (release.empty()) return std::nullopt;
    return StagedRelease{.version = value<std::string>(release, "version"),
                         .file = value<std::string>(release, "file"),
                         .state = value<std::string>(release, "state"),
                         .tries_left = value<std::uint32_t>(release, "tries-left"),
                         .tries_done = value<std::uint32_t>(release, "tries-done"),
                         .trials = value<std::uint32_t>(release, "trials"),
                         .again = value<std::uint64_t>(release, "again")};
}

template <class T>
std::optional<T> known(const Details& relay, const char* name) {
    return relay.contains(name) ? std::optional(value<T>(relay, name)) : std::nullopt;
}

RelayCost to_cost(const Details& relay) {
    return {.name = value<std::string>(relay, "name"),
            .mtbf = known<std::uint64_t>(relay, "mtbf"),
            .mtbf_after = known<std::uint64_t>(relay, "mtbf-after"),
            .wfu = known<double>(relay, "wfu"),
            .wfu_after = known<double>(relay, "wfu-after"),
            .time_known = known<std::uint64_t>(relay, "time-known"),
            .flags = value<std::vector<std::string>>(relay, "flags"),
            .at_risk = value<std::vector<std::string>>(relay, "at-risk"),
            .why = value<std::string>(relay, "why")};
}

}  // namespace

std::optional<Plan> to_plan(const Details& details) {
    if (details.empty()) return std::nullopt;
    Plan plan{.running = value<std::string>(details, "running"),
              .staged = value<std::string>(details, "staged"),
              .pcrs = {},
              .relays = {},
              .downtime = value<std::uint64_t>(details, "downtime"),
              .advised = value<std::uint64_t>(details, "advised"),
              .advice = value<std::string>(details, "advice")};
    for (const auto& row : value<std::vector<PcrRow>>(details, "pcrs"))
        plan.pcrs.push_back({row.get<0>(), row.get<1>(), row.get<2>(), shown(row.get<3>()), row.get<4>()});
    for (const auto& relay : value<std::vector<Details>>(details, "relays")) plan.relays.push_back(to_cost(relay));
    return plan;
}

Updates to_updates(const Properties& properties) {
    return {.running = to_running(value<Details>(properties, "Running")),
            .staged = to_staged(value<Details>(properties, "Staged")),
            .admitted = value<std::vector<std::string>>(properties, "Admitted"),
            .policy_state = value<std::string>(properties, "PolicyState"),
            .reason = value<std::string>(properties, "Reason"),
            .last_failure = value<std::string>(properties, "LastFailure"),
            .reboot_at = value<std::uint64_t>(properties, "RebootAt")};
}

}  // namespace lethe::ctl
