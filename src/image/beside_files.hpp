#pragma once

#include <map>
#include <string>

#include "base/octets.hpp"

namespace lethe {

/// What lies beside a release, by name: credentials, extensions, addons.
using BesideFiles = std::map<std::string, Octets>;

/// Whether the stub takes a file of this name: `*.cred`, `*.raw` (`*.confext.raw` too) and `*.addon.efi`, in any case.
bool is_taken_beside(std::string_view name);

/// @error invalid_argument  the stub would not take it, or it has other characters than letters, digits and "-._+@~".
Result<void> check_beside_name(const std::string& name);

/// @error invalid_argument  a name that check_beside_name() refuses, two that are one on FAT, more than 128 files, or one over 64 MiB.
Result<void> check_beside_files(const BesideFiles& files);

}  // namespace lethe
