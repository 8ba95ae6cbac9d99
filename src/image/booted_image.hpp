#pragma once

#include <filesystem>
#include <optional>
#include <span>

#include "image/secure_boot.hpp"

namespace lethe {

/// What this machine was booted with, as the boot loader and the stub say in EFI variables. They are hints: what the files hold is compared
/// with the event log before anything is built on it.
struct BootedImage {
    bool secure_boot;                             ///< on, and not in setup mode
    std::optional<std::filesystem::path> uki;     ///< none when it came over the network
    std::optional<std::filesystem::path> loader;  ///< none when the firmware started the UKI itself
    bool setup_mode = false;                      ///< of the firmware: it has no keys

    SecureBoot secure_boot_state() const { return secure_boot ? SecureBoot::on : setup_mode ? SecureBoot::setup : SecureBoot::off; }
};

/// Whether the firmware took the UKI from the network: boot loader and stub name the partition that they came from, and here there is none.
/// False where there is no stub, or no EFI.
bool booted_from_network(const std::filesystem::path& efivars);

/// @param efivars  where efivarfs is mounted.
/// @param esps     the mount points to look for the files under, the likeliest first.
/// @error wrong_state  not booted by EFI from a UKI, or the files are under none of the mount points.
/// @error corrupt      a variable does not hold what it should.
Result<BootedImage> find_booted_image(const std::filesystem::path& efivars, std::span<const std::filesystem::path> esps);
Result<BootedImage> find_booted_image();

/// The name of a UKI without the tries that boot counting adds: "lethe_1+3-0.efi" gives "lethe_1.efi".
/// Source: Automatic Boot Assessment, UAPI Boot Loader Specification.
std::string without_boot_counter(const std::string& file_name);

}  // namespace lethe
