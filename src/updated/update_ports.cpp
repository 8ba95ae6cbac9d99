#include "updated/update_ports.hpp"

#include "base/file.hpp"
#include "base/test_seam.hpp"
#include "image/efi_variable.hpp"
#include "image/releases.hpp"
#include "measure/measurement.hpp"
#include "tpm/patient_tpm.hpp"
#include "vault/configuration.hpp"

namespace lethe {
namespace {

std::filesystem::path place(TestSeam seam, const char* usual) { return test_seam_or(seam, usual); }

std::filesystem::path efivars() { return place(TestSeam::efivars, "/sys/firmware/efi/efivars"); }

std::array<std::filesystem::path, 3> esps() { return {place(TestSeam::esp, "/efi"), "/boot/efi", "/boot"}; }

Result<BootedImage> started_image(Pcrlock& pcrlock) {
    std::vector<Octets> started;
    for (const LogEvent& event : TRY(pcrlock.log()).events)
        if (event.pcr == pcr::boot_loader_code && event.firmware) started.emplace_back(event.digest.begin(), event.digest.end());
    return find_started_image(efivars(), esps(), started);
}

// The variables say it. Where they are hidden or were removed, the log of the boot does, of what is on the ESPs.
Result<BootedImage> booted_image(Pcrlock& pcrlock) {
    auto image = find_booted_image(efivars(), esps());
    // An image that came over the network has no file, and nor seems to have one of which the variables were taken away.
    const bool is_clear = image ? image->uki && image->loader : image.error().kind == ErrorKind::wrong_state;
    if (is_clear) return image;
    auto started = started_image(pcrlock);
    if (started || image) return started ? started : image;
    return fail(image.error().kind, "{}; nor does the log of this boot say which file it was: {}", image.error().message,
                started.error().message);
}

// The ESP that the running UKI came from: /efi of /efi/EFI/Linux/lethe_1.efi.
std::filesystem::path esp_of(const std::filesystem::path& uki) { return uki.parent_path().parent_path().parent_path(); }

Result<std::unique_ptr<Esp>> open_esp(Pcrlock& pcrlock) {
    const auto image = booted_image(pcrlock);
    // Not booted from a UKI: there are no releases, whatever is enrolled.
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
    paths.program = place(TestSeam::pcrlock, paths.program.c_str());
    return paths;
}

UpdatePorts machine_ports(Pcrlock& pcrlock, std::function<Result<PolicyKeys>()> policy_keys, std::function<Result<bool>()> boot_complete,
                          std::function<void(std::string_view, unsigned)> progress) {
    return {.open_tpm = open_machine_tpm,
            .open_store = [] { return open_machine_store(open_machine_tpm); },
            .open_esp = [&pcrlock] { return open_esp(pcrlock); },
            .pcrlock = pcrlock,
            .policy_keys = std::move(policy_keys),
            .booted_image = [&pcrlock] { return booted_image(pcrlock); },
            .read_image = [](const BootedImage& image) { return read_file(*image.uki, release_limit_octets); },
            .read_boot = read_boot,
            .trust = [](bool secure_boot) { return read_trust(secure_boot, efivars(), "/usr/lib/lethe/release.der"); },
            .boot_complete = std::move(boot_complete),
            .clean_variables = [] { return remove_left_variables(efivars()); },
            .last_update = LastUpdate(place(TestSeam::store, "/var/lib/lethe") / "last-update"),
            .now = [] { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); },
            .progress = std::move(progress)};
}

}  // namespace lethe
