#include "updated/reboot_system.hpp"

#include "bus/client.hpp"
#include "bus/identities.hpp"
#include "bus/systemd.hpp"
#include "relay/control.hpp"
#include "tor/own_figures.hpp"

namespace lethe {
namespace {

constexpr std::chrono::seconds tor_patience{10};
constexpr auto timer = "lethe-reboot";
constexpr auto relay_units = "tor@*.service";
// Debian's tor is given 60 s to close its circuits.
constexpr std::chrono::seconds stop_limit{75};
// Where systemd does not tell how long the last boot took: three times what a machine of today needs.
constexpr std::chrono::seconds usual_downtime{180};

std::chrono::sys_seconds wall_clock() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// What tor does not answer is not known; the plan says so.
Result<RelayStanding> ask_tor(const RelayIdentity& relay) {
    const std::string entry = "ns/id/" + relay.fingerprint, valid_after = "consensus/valid-after",
                      versions = "dir/status-vote/current/consensus";
    auto port = TRY(open_control_port(relay.name, tor_patience));
    const auto answers = TRY(port.get(std::array{entry, std::string("uptime"), valid_after}));
    auto standing = TRY(own_standing(relay.name, relay.fingerprint,
                                     {.entry = answers.at(entry), .uptime = answers.at("uptime"), .valid_after = answers.at(valid_after)},
                                     wall_clock()));
    if (const auto consensus = port.get(std::array{versions}); consensus)
        standing.hsdir_outlives_restarts = authorities_let_hsdir_outlive_restarts(consensus->at(versions));
    return standing;
}

RebootingRelay rebooting(const RelayIdentity& relay) {
    auto standing = ask_tor(relay).value_or(RelayStanding{.name = relay.name});
    if (const auto started = systemd::started_at(std::format("tor@{}.service", relay.name)); !standing.run && started && *started)
        standing.run = wall_clock() - **started;
    return {std::move(standing), relay.fingerprint, relay.family_ids, relay.signing_key_ends};
}

}  // namespace

std::chrono::sys_seconds MachineReboots::now() { return wall_clock(); }

Result<std::vector<RebootingRelay>> MachineReboots::relays() {
    std::vector<RebootingRelay> relays;
    for (const RelayIdentity& relay : TRY(read_identities()).relays)
        if (relay.state == "installed") relays.push_back(rebooting(relay));
    return relays;
}

// Stopping a tor takes up to its 60 s, of which an authority sees the second half at most: its listeners close at the start.
std::chrono::seconds MachineReboots::downtime() {
    const auto boot = systemd::boot_duration();
    return (boot && *boot ? **boot : usual_downtime) + stop_limit;
}

Result<void> MachineReboots::take_snapshot() {
    const std::string service = "org.lethe.State1";
    return on_bus(service, [&](sdbus::IConnection& connection) {
        std::uint64_t generation = 0;
        sdbus::createProxy(connection, sdbus::ServiceName{service}, sdbus::ObjectPath{"/org/lethe/State1"})
            ->callMethod("Snapshot")
            .onInterface(service + ".Manager")
            .withTimeout(std::chrono::minutes(3))
            .storeResultsTo(generation);
    });
}

Result<void> MachineReboots::stop_relays() { return systemd::stop_units(TRY(systemd::active_units(relay_units)), stop_limit); }
Result<void> MachineReboots::reboot() { return systemd::reboot(); }
Result<void> MachineReboots::schedule(std::chrono::sys_seconds at) {
    return systemd::start_timer(timer, "Planned reboot of a Tor relay's machine", at);
}
Result<void> MachineReboots::unschedule() { return systemd::stop_timer(timer); }
Result<std::optional<std::chrono::sys_seconds>> MachineReboots::scheduled() { return systemd::next_elapse(timer); }

}  // namespace lethe
