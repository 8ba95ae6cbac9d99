#pragma once

#include <filesystem>

#include "base/result.hpp"

namespace lethe {

/// Asks the service manager to record a word in PCR 12, which this daemon's user may not: lethe-record@.path starts systemd-pcrextend when
/// a file of that name lies in the folder. Once in a boot.
///
/// @param folder  is made when it is not there. @error io
Result<void> request_word(const std::filesystem::path& folder, std::string_view word);

}  // namespace lethe
