#pragma once

#include <string>

#include "base/result.hpp"

namespace lethe {

/// Overwrites and removes the file or directory tree `name` in the directory `parent`; nothing to do when there is none. Follows no
/// symbolic link. What belongs to another user is taken over first (CAP_CHOWN), beginning at the top, so that this user cannot interfere
/// below. A file that has other links is not overwritten: what it holds is somebody else's as well.
///
/// @param parent  a directory in which no other user can rename entries.
/// @error io
Result<void> wipe_tree(int parent, const std::string& name);

}  // namespace lethe
