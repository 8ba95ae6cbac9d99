#pragma once

#include <sys/types.h>

#include "tor/key_set.hpp"

namespace lethe {

/// Lets tor itself make the keys of a new relay in a fresh directory below `scratch` (on tmpfs), reads them, checks them, and wipes it.
///
/// @param tor  the program, "/usr/bin/tor".
/// @error io       tor failed; the message has its last line.
/// @error corrupt  what it made does not parse.
Result<KeySet> create_keys(const std::filesystem::path& tor, const std::filesystem::path& scratch);

/// Puts the keys where tor finds them: `folder` as a real directory 0700 with files 0600, all of `owner`. It is filled under another name
/// and renamed, so that a folder that is there is whole. An earlier folder of the same relay is wiped first.
/// Needs CAP_CHOWN when `owner` is another user.
/// @error io
Result<void> install_keys(const KeySet& keys, const std::filesystem::path& folder, uid_t owner, gid_t group);

/// Overwrites and removes an installed folder; nothing to do when there is none.
Result<void> remove_keys(const std::filesystem::path& folder);

}  // namespace lethe
