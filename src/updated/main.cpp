#include "base/shield.hpp"
#include "bus/identities.hpp"
#include "bus/systemd.hpp"
#include "updated/bus_objects.hpp"
#include "updated/reboot_system.hpp"
#include "updated/update_ports.hpp"

using namespace lethe;

static Result<void> run() {
    const auto configuration = TRY(read_configuration());
    UpdateObjects* published = nullptr;
    TRY(shield_process());
    SystemdPcrlock pcrlock(pcrlock_paths());
    const auto boot_complete = [] { return systemd::is_active("boot-complete.target"); };
    const auto policy_keys = [] { return read_policy_keys().and_then(PolicyKeys::decode); };
    UpdateService service(machine_ports(pcrlock, policy_keys, boot_complete, [&](std::string_view step, unsigned percent) {
        if (published) published->progress(step, percent);
    }));
    MachineReboots system;
    Reboots reboots(system, configuration, [&] { return service.choose_staged(); });
    return serve(update_bus_name, [&](sdbus::IConnection& connection, sd_event*) -> Result<std::unique_ptr<BusObjects>> {
        service.settle();
        auto objects = publish_updates(connection, service, reboots);
        published = objects.get();
        return objects;
    });
}

int main() { return exit_status(run()); }
