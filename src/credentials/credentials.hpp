#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lethe {

/// What became of the files that were found, one line each, for the journal: names and reasons, no content.
struct ImportReport {
    std::vector<std::string> imported;
    std::vector<std::string> ignored;
};

inline constexpr std::size_t credential_limit_octets = 64 * 1024;

/// The credential that a file of the ESP stands for: "lethe.torrc.a" for "lethe.torrc.a.cred". Nothing for any other name: PID 1 and
/// other services give some names a meaning (systemd.extra-unit.*, passwd.*), and only Lethe's own may pass.
std::optional<std::string> credential_name(std::string_view file_name);

/// Copies the credentials in `sources` (a source that does not exist is empty) to `destination`, where LoadCredential= finds them: the
/// folder 0700, the files 0400. The first source that has a name wins: name the UKI's own folder before the one for all UKIs. A file that
/// is not taken (its name, its size, not a regular file) is reported, and the others go on.
///
/// @error io  the destination cannot be written.
Result<ImportReport> import_credentials(std::span<const std::filesystem::path> sources, const std::filesystem::path& destination);

}  // namespace lethe
