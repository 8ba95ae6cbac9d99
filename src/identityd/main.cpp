
#include <cstdlib>

#include "base/secret.hpp"
#include "identityd/bus_objects.hpp"
#include "tpm/esys_tpm.hpp"

using namespace lethe;

// The unit sets RUNTIME_DIRECTORY; the other variables are for tests.
static MachineSettings settings() {
    MachineSettings settings;
    if (const char* path = std::getenv("RUNTIME_DIRECTORY")) settings.paths.runtime = path;
    if (const char* user = std::getenv("LETHE_RELAY_USER")) settings.fixed_user = user;
    return settings;
}

static std::filesystem::path store_path() {
    const char* path = std::getenv("LETHE_STORE");
    return path ? path : "/var/lib/lethe";
}

int main() {
    if (const auto locked = lock_down_process(); !locked) return exit_status(locked);
    MachineKeyPlace place(settings());
    IdentityService service(store_path(), [] { return open_esys_tpm(default_tcti()); }, place);
    return exit_status(serve(identity_bus_name, [&](sdbus::IConnection& connection) -> Result<std::unique_ptr<BusObjects>> {
        service.restore();
        return publish_identity(connection, service);
    }));
}
