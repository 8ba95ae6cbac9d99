#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/octets.hpp"
#include "image/secure_boot.hpp"

namespace lethe {

/// What this machine was booted with, as the boot loader and the stub say in EFI variables. They are hints: what the files hold is compared
/// with the event log before anything is built on it.
struct BootedImage {
    bool secure_boot;                             ///< on, and not in setup mode
    std::optional<std::filesystem::path> uki;     ///< none when it came over the network
    std::optional<std::filesystem::path> loader;  ///< none when the firmware started the UKI itself
    std::string booted_as{};                      ///< the file name that the UKI was started by; `uki` may have another one since
    bool counted = false;                         ///< the boot loader has taken a try off that name for this boot
    bool setup_mode = false;                      ///< of the firmware: it has no keys

    SecureBoot secure_boot_state() const { return secure_boot ? SecureBoot::on : setup_mode ? SecureBoot::setup : SecureBoot::off; }
};

/// Whether the firmware took the UKI from the network: boot loader and stub name the partition that they came from, and here there is none.
/// False where there is no stub, or no EFI.
bool booted_from_network(const std::filesystem::path& efivars);

/// @param efivars  where efivarfs is mounted.
/// @param esps     the mount points to look for the files under, the likeliest first.
/// @error wrong_state  not booted by EFI from a UKI.
/// @error io           the files are under none of the mount points.
/// @error corrupt      a variable does not hold what it should, or outlives the boot: it says nothing of this one.
Result<BootedImage> find_booted_image(const std::filesystem::path& efivars, std::span<const std::filesystem::path> esps);
Result<BootedImage> find_booted_image();

/// The same by what the files hold, for a boot of which the variables say nothing.
///
/// @param started  the Authenticode digests, in SHA-256, of the images that the firmware started: those of the event log in PCR 4.
/// @error io       no UKI, or no boot loader, on these ESPs is one of them.
Result<BootedImage> find_started_image(const std::filesystem::path& efivars, std::span<const std::filesystem::path> esps,
                                       std::span<const Octets> started);

/// Whether two names are one file on FAT, as far as ASCII goes.
bool is_same_on_fat(std::string_view left, std::string_view right);

/// The name of a UKI without the tries that boot counting adds: "lethe_1+3-0.efi" gives "lethe_1.efi".
/// Source: Automatic Boot Assessment, UAPI Boot Loader Specification.
std::string without_boot_counter(const std::string& file_name);

}  // namespace lethe
