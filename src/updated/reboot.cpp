#include "updated/reboot.hpp"

#include <algorithm>
#include <ranges>

namespace lethe {
namespace {

// Tor refuses to start with a signing key that has ended; so much is left to renew it after the boot.
constexpr std::chrono::hours key_margin{24};

std::vector<RelayNames> names_of(const std::vector<RebootingRelay>& relays) {
    return relays | std::views::transform([](const RebootingRelay& relay) { return RelayNames{relay.fingerprint, relay.family_ids}; }) |
           std::ranges::to<std::vector>();
}

template <class... Cases>
struct Match : Cases... {
    using Cases::operator()...;
};

}  // namespace

Result<RebootCost> Reboots::cost() {
    const auto relays = TRY(system_.relays());
    const Outage outage{system_.downtime()};
    RebootCost cost{outage.length, {}, {}};
    std::vector<RelayStanding> standings;
    for (const RebootingRelay& relay : relays) {
        standings.push_back(relay.standing);
        cost.relays.push_back(
            {relay.standing.name, relay.standing.flags.value_or(std::vector<std::string>{}), cost_of(relay.standing, outage)});
    }
    cost.advice = advise(standings, outage, system_.now());
    return cost;
}

Result<void> Reboots::check(std::chrono::sys_seconds at) {
    const Outage outage{system_.downtime()};
    std::vector<RelayStanding> standings;
    for (const RebootingRelay& relay : TRY(system_.relays())) {
        if (relay.key_ends && *relay.key_ends < at + outage.length + key_margin)
            return fail(ErrorKind::wrong_state,
                        "the signing key of relay {} ends {:%F %H:%M} UTC, and its tor would not start after the reboot: renew it from the "
                        "master key first (--urgent reboots all the same)",
                        relay.standing.name, *relay.key_ends);
        standings.push_back(later(relay.standing, at - system_.now()));
    }
    // What no waiting makes cheaper is no reason to wait.
    const auto advice = advise(standings, outage, at);
    if (advice.at > at)
        return fail(ErrorKind::wrong_state,
                    "{}: {:%F %H:%M} UTC is a better time, see `lethectl update plan` (--urgent reboots all the same)", advice.why,
                    advice.at);
    return {};
}

// What tor writes last is in the second snapshot; the first one is there for the case that it does not come to that.
Result<void> Reboots::reboot_now() {
    TRY(system_.take_snapshot());
    TRY(choose_());
    TRY(system_.unschedule());
    TRY(system_.stop_relays());
    TRY(system_.take_snapshot());
    return system_.reboot();
}

Result<std::chrono::sys_seconds> Reboots::reboot(const std::string& when, bool urgent) {
    const auto now = system_.now();
    const RebootTime time = TRY(parse_reboot_time(when, now));
    if (std::holds_alternative<RebootNever>(time)) {
        TRY(system_.unschedule());
        return std::chrono::sys_seconds{};
    }
    const auto quiet = [&](RebootQuiet) -> Result<std::chrono::sys_seconds> {
        return quiet_moment({configuration_.quiet_begin, configuration_.quiet_end}, configuration_.reboot_stagger_days,
                            names_of(TRY(system_.relays())), now);
    };
    const auto at = TRY(std::visit(Match{[&](RebootNow) -> Result<std::chrono::sys_seconds> { return now; }, quiet,
                                         [&](RebootNever) -> Result<std::chrono::sys_seconds> { return now; },
                                         [&](std::chrono::sys_seconds given) -> Result<std::chrono::sys_seconds> { return given; }},
                                   time));
    if (!urgent) TRY(check(at));
    if (std::holds_alternative<RebootNow>(time)) TRY(reboot_now());
    else TRY(system_.schedule(at));
    return at;
}

Result<std::chrono::sys_seconds> Reboots::reboot_soon() {
    auto now = reboot("now", false);
    return now || now.error().kind != ErrorKind::wrong_state ? now : reboot("quiet", false);
}

std::optional<std::chrono::sys_seconds> Reboots::scheduled() { return system_.scheduled().value_or(std::nullopt); }

}  // namespace lethe
