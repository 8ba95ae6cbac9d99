#include "bus/daemon.hpp"
#include "health/machine.hpp"

using namespace lethe;

static Result<void> check() {
    const auto configuration = TRY(read_configuration());
    MachineHealth machine;
    return HealthCheck(machine, {configuration.health_needs, configuration.health_deadline()}).wait();
}

int main() {
    auto healthy = check();
    if (MachineFallback fallback; !healthy) healthy = std::unexpected(end_unhealthy_boot(fallback, healthy.error()));
    return exit_status(healthy);
}
