// What was booted, found by what the files hold: the variables of the boot may be hidden by those that another system has left.
#include <algorithm>
#include <array>

#include "base/large_file.hpp"
#include "image/booted_image.hpp"
#include "image/efi_variable.hpp"
#include "image/releases.hpp"
#include "measure/pe.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr std::array loaders{"EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"};

bool was_started(const fs::path& file, std::span<const Octets> started) {
    constexpr std::array banks{Bank::sha256};
    const auto content = LargeFile::read(file, release_limit_octets);
    const auto image = content ? parse_pe(content->octets()) : std::unexpected(content.error());
    if (!image) return false;
    const BankDigests digests = authenticode(*image, banks);
    const OctetView digest = digests.at(Bank::sha256).view();
    return std::ranges::any_of(started, [&](const Octets& other) { return std::ranges::equal(other, digest); });
}

// Of several with the same content, which differ in what lies beside them, the one that the boot loader says it has chosen.
std::optional<fs::path> started_uki(const fs::path& folder, const std::string& selected, std::span<const Octets> started) {
    std::optional<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (!entry.is_regular_file(error) || !is_same_on_fat(entry.path().extension().native(), ".efi")) continue;
        const bool is_selected = is_same_on_fat(without_boot_counter(entry.path().filename()), selected);
        if ((!found || is_selected) && was_started(entry.path(), started)) found = entry.path();
    }
    return found;
}

std::optional<fs::path> started_loader(const fs::path& esp, std::span<const Octets> started) {
    for (const char* loader : loaders)
        if (was_started(esp / loader, started)) return esp / loader;
    return {};
}

}  // namespace

Result<BootedImage> find_started_image(const fs::path& efivars, std::span<const fs::path> esps, std::span<const Octets> started) {
    const auto secure_boot = read_efi_variable(efivars, "SecureBoot", global_vendor);
    const bool is_hidden = outlives_boot(efivars, "LoaderEntrySelected").value_or(true);
    const std::string selected = is_hidden ? "" : read_loader_text(efivars, "LoaderEntrySelected").value_or("");
    for (const fs::path& esp : esps) {
        const auto uki = started_uki(esp / "EFI/Linux", selected, started);
        const auto loader = started_loader(esp, started);
        if (uki && loader)
            return BootedImage{.secure_boot = secure_boot && secure_boot->size() == 1 && secure_boot->front() == 1,
                               .uki = *uki,
                               .loader = *loader,
                               .booted_as = uki->filename(),
                               .counted = true};
    }
    return fail(ErrorKind::io, "what was booted is on no ESP that is mounted: mount it on /efi, or put the files back");
}

}  // namespace lethe
