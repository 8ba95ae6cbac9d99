#include "bus/daemon.hpp"
#include "health/machine.hpp"

using namespace lethe;

static Result<void> check() {
    const auto configuration = TRY(read_configuration());
    MachineHealth machine;
    return HealthCheck(machine, {configuration.health_needs, configuration.health_deadline()}).wait();
}

// What ends a boot in which the check itself came to no end, started by systemd when lethe-health.service has failed.
static Result<void> fall_back() {
    return fail(ErrorKind::wrong_state, "lethe-health.service has failed, or did not end; see `systemctl status lethe-health`");
}

int main(int count, char** values) {
    const bool is_last_resort = count == 2 && std::string_view(values[1]) == "--fall-back";
    if (count > 1 && !is_last_resort) return exit_status(fail(ErrorKind::invalid_argument, "usage: lethe-health [--fall-back]"));
    auto healthy = is_last_resort ? fall_back() : check();
    if (MachineFallback fallback; !healthy) healthy = std::unexpected(end_unhealthy_boot(fallback, healthy.error()));
    return exit_status(healthy);
}
