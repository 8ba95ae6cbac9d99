#pragma once

#include <filesystem>

#include "base/result.hpp"

namespace lethe {

/// Has the service manager record a word in PCR 12, which this daemon's user may not: lethe-record@.path starts systemd-pcrextend when a
/// file of that name lies in the folder, and takes the file away when it has recorded the word.
///
/// @param folder  is made when it is not there.
/// @error tpm_unavailable  the file is still there after a minute.
/// @error io
Result<void> request_word(const std::filesystem::path& folder, std::string_view word);

}  // namespace lethe
