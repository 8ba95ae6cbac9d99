// lethe-health [--insecure-boot]: run in each boot before boot-complete.target. The option is the debug profile's, in whose unit it stands.

#include <print>
#include <string_view>

#include "bus/daemon.hpp"
#include "health/machine.hpp"

using namespace lethe;

static Result<void> check(bool insecure_boot) {
    const auto configuration = TRY(read_configuration());
    MachineHealth machine;
    return HealthCheck(machine, {configuration.health_needs, configuration.health_deadline(), insecure_boot}).wait();
}

int main(int count, char** values) {
    const bool insecure_boot = count == 2 && std::string_view(values[1]) == "--insecure-boot";
    if (count > 1 && !insecure_boot) {
        std::println(stderr, "usage: lethe-health [--insecure-boot]");
        return 2;
    }
    auto healthy = check(insecure_boot);
    if (MachineFallback fallback; !healthy) healthy = std::unexpected(end_unhealthy_boot(fallback, healthy.error()));
    return exit_status(healthy);
}
