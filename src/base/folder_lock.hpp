#pragma once

#include <filesystem>

#include "base/file.hpp"

namespace lethe {

/// Keeps every other process that calls this for the same folder waiting, for as long as the result lives. The lock is the folder's own: a
/// file would outlive whoever made it. It is of another open file, so that it excludes this process as well.
/// @error not_found, io
Result<Fd> hold_folder(int directory, const std::filesystem::path& folder);

}  // namespace lethe
