#include "updated/update_ports.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.hpp"
#include "tpm/esys_tpm.hpp"
#include "vault/configuration.hpp"

namespace lethe {
namespace {

constexpr std::size_t note_limit_octets = 4096;

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
    const BootedImage image = TRY(booted_image());
    if (!image.uki) return fail(ErrorKind::not_found, "this machine boots over the network: who serves its image updates it");
    return open_folder_esp(esp_of(*image.uki), efivars());
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

std::optional<std::string> StoredFailureNote::read() {
    const auto octets = read_file(file_, note_limit_octets);
    return octets ? std::optional(std::string(as_text(*octets))) : std::nullopt;
}

Result<void> StoredFailureNote::write(std::string_view note) {
    const Fd fd = TRY(open_file(AT_FDCWD, file_, O_WRONLY | O_CREAT | O_TRUNC, 0640));
    TRY(write_all(fd.get(), as_octets(note)));
    if (fsync(fd.get()) != 0) return fail_errno(errno, file_.native());
    return {};
}

Result<void> StoredFailureNote::remove() {
    if (unlink(file_.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, file_.native());
    return {};
}

std::filesystem::path failure_note_path() { return place("LETHE_STORE", "/var/lib/lethe") / "last-update"; }

SystemdPcrlock::Paths pcrlock_paths() {
    SystemdPcrlock::Paths paths;
    paths.program = place("LETHE_PCRLOCK", paths.program.c_str());
    return paths;
}

UpdatePorts machine_ports(Pcrlock& pcrlock, FailureNote& note, std::function<void(std::string_view, unsigned)> progress) {
    const auto open_tpm = [] { return open_esys_tpm(default_tcti()); };
    return {.open_tpm = open_tpm,
            .open_store = [open_tpm] { return open_machine_store(open_tpm); },
            .open_esp = open_esp,
            .pcrlock = pcrlock,
            .booted_image = booted_image,
            .read_boot = read_boot,
            .trust = [](bool secure_boot) { return read_trust(secure_boot, efivars(), "/usr/lib/lethe/release.der"); },
            .failure_note = note,
            .progress = std::move(progress)};
}

}  // namespace lethe
