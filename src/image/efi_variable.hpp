#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/octets.hpp"

namespace lethe {

/// Whose variables they are: those of systemd-boot and systemd-stub, those of UEFI itself, those of systemd, and db and dbx.
inline constexpr std::string_view loader_vendor = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
inline constexpr std::string_view global_vendor = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
inline constexpr std::string_view systemd_vendor = "8cf2644b-4b0b-428f-9387-6d876050dc67";
inline constexpr std::string_view security_vendor = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/// Of a variable that lasts for one boot, for boot services and at run time: what a firmware and systemd-boot report with.
inline constexpr std::uint32_t volatile_attributes = 6;

struct EfiVariable {
    std::uint32_t attributes;  ///< as UEFI numbers them
    Octets content;
};

/// An EFI variable with its attributes. @error as read_efi_variable()
/// Source: Linux, Documentation/filesystems/efivarfs.rst.
Result<EfiVariable> read_whole_efi_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor,
                                            std::size_t limit_octets = 4096);

/// The content of an EFI variable, without its attributes.
/// @param efivars  where efivarfs is mounted.
/// @error not_found  there is no such variable.
/// @error corrupt    it is larger than `limit_octets`, or cut short.
Result<Octets> read_efi_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view vendor,
                                 std::size_t limit_octets = 4096);

/// Whether a variable of the boot loader's or the stub's outlives the boot. What they say of a boot does not: where such a variable does,
/// another system has left it, and the firmware refuses to let them set theirs.
/// @error not_found, corrupt
/// Source: UEFI 2.10, SetVariable(), attributes; Linux, Documentation/filesystems/efivarfs.rst.
Result<bool> outlives_boot(const std::filesystem::path& efivars, std::string_view name);

/// Removes every variable of the boot loader's and the stub's that outlives the boot, but for those that are meant to and that choose no
/// entry, and StubInfo, which has no use but to be there: what hides what they say of a boot, and what makes another entry the default. So
/// does a LoaderEntryOneShot that read_set_variable() does not know: the boot loader would have removed one that it can read.
/// @return the names of what was removed.
/// @error io  one could not be removed; all the others are.
Result<std::vector<std::string>> remove_left_variables(const std::filesystem::path& efivars);

/// A text of the boot loader's or the stub's, which has to be ASCII. @error not_found, corrupt
Result<std::string> read_loader_text(const std::filesystem::path& efivars, std::string_view name);

/// What set_loader_variable() has set, octet for octet. Empty for whatever else is there, and when nothing is. @error io
Result<std::string> read_set_variable(const std::filesystem::path& efivars, std::string_view name);

/// Sets a variable of the boot loader to a text, which has to be ASCII; it outlives the boot. The firmware does it whole or not at all.
/// @error io
/// Source: Linux, Documentation/filesystems/efivarfs.rst; systemd 257, src/basic/efivars.c, efi_set_variable().
Result<void> set_loader_variable(const std::filesystem::path& efivars, std::string_view name, std::string_view text);

/// Nothing to do when there is none. @error io
Result<void> remove_loader_variable(const std::filesystem::path& efivars, std::string_view name);

}  // namespace lethe
