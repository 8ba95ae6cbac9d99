
#include <cstdlib>

#include "base/secret.hpp"
#include "identityd/bus_objects.hpp"
#include "tpm/patient_tpm.hpp"
#include "vault/configuration.hpp"

using namespace lethe;

// The unit sets RUNTIME_DIRECTORY; the other variables are for tests.
static MachineSettings settings() {
    MachineSettings settings;
    if (const char* path = std::getenv("RUNTIME_DIRECTORY")) settings.paths.runtime = path;
    if (const char* user = std::getenv("LETHE_RELAY_USER")) settings.fixed_user = user;
    return settings;
}

static Result<OpenedStore> open_store_here() { return open_machine_store(open_machine_tpm); }

int main() {
    if (const auto locked = lock_down_process(); !locked) return exit_status(locked);
    const auto places = settings();
    MachineKeyPlace place(places);
    IdentityService service(open_store_here, open_machine_tpm, place);
    return exit_status(serve(identity_bus_name, [&](sdbus::IConnection& connection, sd_event*) -> Result<std::unique_ptr<BusObjects>> {
        service.restore();
        return publish_identity(connection, service, places.paths);
    }));
}
