#include "updated/reboot_system.hpp"

#include "bus/client.hpp"
#include "bus/identities.hpp"
#include "bus/systemd.hpp"

namespace lethe {
namespace {

constexpr auto timer = "lethe-reboot";
constexpr auto relay_units = "tor@*.service";
// Debian's tor is given 60 s to close its circuits.
constexpr std::chrono::seconds stop_limit{75};
// Where systemd does not tell how long the last boot took: three times what a machine of today needs.
constexpr std::chrono::seconds usual_downtime{180};

std::chrono::sys_seconds wall_clock() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

RebootingRelay rebooting(const RelayIdentity& relay) {
    RebootingRelay rebooting{.standing = {.name = relay.name},
                             .fingerprint = relay.fingerprint,
                             .family_ids = relay.family_ids,
                             .key_ends = relay.signing_key_ends};
    if (const auto started = systemd::started_at(std::format("tor@{}.service", relay.name)); started && *started)
        rebooting.standing.run = wall_clock() - **started;
    return rebooting;
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
