
#include <array>
#include <cstdlib>

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

static Result<std::vector<VaultKeys>> keys_of_before(const KeptKeys& kept) {
    std::vector<VaultKeys> keys;
    for (const Secret& octets : kept.before()) keys.push_back(TRY(VaultKeys::decode(octets)));
    return keys;
}

static Result<void> keep(KeptKeys& kept, const VaultKeys& in_force, const VaultKeys* next) {
    const Secret present = in_force.encode();
    if (!next) return kept.keep_only(std::array{&present});
    const Secret later = next->encode();
    return kept.keep_only(std::array{&present, &later});
}

static Result<void> run() {
    TRY(lock_down_process());
    const auto places = settings();
    MachineKeyPlace place(places);
    IdentityService service(open_store_here, open_machine_tpm, place, read_firmware);
    KeptKeys kept = TRY(KeptKeys::receive());
    std::vector<VaultKeys> before = TRY(keys_of_before(kept));
    service.open_once([&](std::string_view word) { return request_word(places.paths.runtime / "record", word); },
                      [&](const VaultKeys& in_force, const VaultKeys* next) { return keep(kept, in_force, next); }, std::move(before));
    const auto configuration = read_configuration();
    // Without it the store is not opened either, and why not is said there.
    if (configuration) service.pin(configuration->fingerprints);
    return serve(identity_bus_name, [&](sdbus::IConnection& connection, sd_event*) -> Result<std::unique_ptr<BusObjects>> {
        service.restore();
        return publish_identity(connection, service, places.paths);
    });
}

int main() { return exit_status(run()); }
