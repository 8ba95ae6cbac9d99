// lethe-health [--fall-back | --insecure-boot]: run in each boot before boot-complete.target. --insecure-boot is the debug profile's, in
// whose unit it stands.

#include <print>
#include <string_view>

#include "bus/daemon.hpp"
#include "health/machine.hpp"

using namespace lethe;

static Result<void> check(bool insecure_boot, bool& lacks_network_alone) {
    const auto configuration = TRY(read_configuration());
    MachineHealth machine;
    HealthCheck health(machine, {configuration.health_needs, configuration.health_deadline(), insecure_boot});
    auto healthy = health.wait();
    lacks_network_alone = health.lacks_network_alone();
    return healthy;
}

// What ends a boot in which the check itself came to no end, started by systemd when lethe-health.service has failed.
static Result<void> fall_back() {
    return fail(ErrorKind::wrong_state, "lethe-health.service has failed, or did not end; see `systemctl status lethe-health`");
}

int main(int count, char** values) {
    const std::string_view option = count == 2 ? values[1] : "";
    const bool is_last_resort = option == "--fall-back", insecure_boot = option == "--insecure-boot";
    if (count > 1 && !is_last_resort && !insecure_boot) {
        std::println(stderr, "usage: lethe-health [--fall-back | --insecure-boot]");
        return 2;
    }
    bool lacks_network_alone = false;
    auto healthy = is_last_resort ? fall_back() : check(insecure_boot, lacks_network_alone);
    if (MachineFallback fallback; !healthy) healthy = std::unexpected(end_unhealthy_boot(fallback, healthy.error(), lacks_network_alone));
    return exit_status(healthy);
}
