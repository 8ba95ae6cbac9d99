
#include <cstdlib>
#include <ranges>

#include "base/secret.hpp"
#include "base/test_seam.hpp"
#include "bus/kept_keys.hpp"
#include "identityd/bus_objects.hpp"
#include "identityd/word_request.hpp"
#include "tpm/patient_tpm.hpp"
#include "vault/configuration.hpp"

using namespace lethe;

// The unit sets RUNTIME_DIRECTORY.
static MachineSettings settings() {
    MachineSettings settings;
    if (const char* path = std::getenv("RUNTIME_DIRECTORY")) settings.paths.runtime = path;
    settings.fixed_user = test_seam_or(TestSeam::relay_user, "");
    return settings;
}

static Result<OpenedStore> open_store_here() { return open_machine_store(open_machine_tpm); }

static FirmwareState read_firmware() { return read_firmware_state(test_seam_or(TestSeam::efivars, "/sys/firmware/efi/efivars")); }

static Result<std::vector<VaultKeys>> keys_of_before() {
    std::vector<VaultKeys> keys;
    for (const auto& kept : TRY(kept_keys()) | std::views::values) keys.push_back(TRY(VaultKeys::decode(kept)));
    return keys;
}

static Result<void> keep(const VaultKeys& in_force, const VaultKeys* next) {
    // The new ones are kept before the others are dropped.
    if (next) return keep_keys("next", next->encode());
    TRY(keep_keys("keys", in_force.encode()));
    return drop_keys("next");
}

static Result<void> run() {
    TRY(lock_down_process());
    const auto places = settings();
    MachineKeyPlace place(places);
    IdentityService service(open_store_here, open_machine_tpm, place, read_firmware);
    service.open_once([&](std::string_view word) { return request_word(places.paths.runtime / "record", word); }, keep,
                      TRY(keys_of_before()));
    const auto configuration = read_configuration();
    // Without it the store is not opened either, and why not is said there.
    if (configuration) service.pin(configuration->fingerprints);
    return serve(identity_bus_name, [&](sdbus::IConnection& connection, sd_event*) -> Result<std::unique_ptr<BusObjects>> {
        service.restore();
        return publish_identity(connection, service, places.paths);
    });
}

int main() { return exit_status(run()); }
