#include "updated/update_ports.hpp"

#include <cstdlib>

#include "tpm/patient_tpm.hpp"
#include "vault/configuration.hpp"

namespace lethe {
namespace {

std::filesystem::path place(const char* variable, const char* usual) {
    const char* const given = std::getenv(variable);
    return given ? given : usual;
}

std::filesystem::path efivars() { return place("LETHE_EFIVARS", "/sys/firmware/efi/efivars"); }

Result<BootedImage> booted_image() {
    const std::array esps{place("LETHE_ESP", "/efi"), std::filesystem::path("/boot/efi"), std::filesystem::path("/boot")};
    return find_booted_image(efivars(), esps);
}

// The ESP that the running UKI came from: /efi of /efi/EFI/Linux/lethe_1.efi.
std::filesystem::path esp_of(const std::filesystem::path& uki) { return uki.parent_path().parent_path().parent_path(); }

Result<std::unique_ptr<Esp>> open_esp() {
    const auto image = booted_image();
    // Not booted from a UKI, or from none on a mounted ESP: there are no releases, whatever is enrolled.
    if (!image && image.error().kind == ErrorKind::wrong_state) return fail(ErrorKind::not_found, "{}", image.error().message);
    if (!image) return std::unexpected(image.error());
    if (!image->uki) return fail(ErrorKind::not_found, "this machine boots over the network: who serves its image updates it");
    return open_folder_esp(esp_of(*image->uki), efivars());
}

Result<BootReading> read_boot(const BootedImage& image) {
    const auto loader = esp_of(*image.uki) / "loader";
    return BootReading::read({.uki = *image.uki,
                              .loader = image.loader,
                              .beside = folder_beside(*image.uki),
                              .global_credentials = loader / "credentials",
                              .global_addons = loader / "addons"});
}

}  // namespace

SystemdPcrlock::Paths pcrlock_paths() {
    SystemdPcrlock::Paths paths;
    paths.program = place("LETHE_PCRLOCK", paths.program.c_str());
    return paths;
}

UpdatePorts machine_ports(Pcrlock& pcrlock, std::function<void(std::string_view, unsigned)> progress) {
    return {.open_tpm = open_machine_tpm,
            .open_store = [] { return open_machine_store(open_machine_tpm); },
            .open_esp = open_esp,
            .pcrlock = pcrlock,
            .booted_image = booted_image,
            .read_boot = read_boot,
            .trust = [](bool secure_boot) { return read_trust(secure_boot, efivars(), "/usr/lib/lethe/release.der"); },
            .last_update = LastUpdate(place("LETHE_STORE", "/var/lib/lethe") / "last-update"),
            .progress = std::move(progress)};
}

}  // namespace lethe
