#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// How often a release may still be tried, and how often it was, before it counts as good or as bad.
struct BootTries {
    unsigned left = 0;
    unsigned done = 0;

    bool operator==(const BootTries&) const = default;
};

/// The name of a release's UKI in /EFI/Linux: "lethe_1.2.efi"; "lethe_1.2+3.efi" or "lethe_1.2+2-1.efi" while its boots are counted.
///
/// Source: UAPI.1, Boot Loader Specification, "Boot counting".
struct ReleaseName {
    std::string version;
    std::optional<BootTries> tries = {};

    std::string file() const;
    bool operator==(const ReleaseName&) const = default;
};

/// Nothing when the file is none of Lethe's: "lethe_" and ".efi" in whatever case, as FAT and the boot loader take them; a version begins
/// with a digit and has letters, digits and ".~^-" besides, 64 at most.
std::optional<ReleaseName> parse_release_name(std::string_view file);

/// @error invalid_argument  no release can have this version: parse_release_name() would not take its file.
Result<void> check_version(const std::string& version);

/// The name of the folder beside a release, in /EFI/Linux: "lethe_1.2.efi.extra.d", whatever its tries.
std::string folder_beside_release(const std::string& version);

}  // namespace lethe
