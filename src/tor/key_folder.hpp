#pragma once

#include <sys/types.h>

#include <filesystem>

#include "tor/key_set.hpp"

namespace lethe {

/// Lets tor itself make the keys of a new relay in a fresh directory below `scratch` (on tmpfs), reads them, checks them against the
/// fingerprints that tor prints, and wipes the directory, on failure too. tor runs as `--list-fingerprint`, which makes every key that a
/// relay has, the onion keys included, opens no socket and ends at once.
///
/// @param tor  the program, "/usr/bin/tor".
/// @error io       tor failed; the message has its last line.
/// @error corrupt  what it made does not parse.
Result<KeySet> create_keys(const std::filesystem::path& tor, const std::filesystem::path& scratch);

/// Puts the keys where tor finds them: `folder` as a real directory 0700 with files 0600, all of `owner`. It is filled under another name
/// and renamed, so that a folder that is there is whole. An earlier folder of the same relay is wiped before the rename: in between there
/// is none, and tor does not start. Needs CAP_CHOWN (and nothing else) when `owner` is another user.
///
/// @param folder  its parent directory is ours: no other user can rename entries in it.
/// @error io
Result<void> install_keys(const KeySet& keys, const std::filesystem::path& folder, uid_t owner, gid_t group);

/// The same for other files of a relay's, whatever is in them.
Result<void> install_files(const KeyFiles& files, const std::filesystem::path& folder, uid_t owner, gid_t group);

/// Overwrites and removes an installed folder; nothing to do when there is none. @error io
Result<void> remove_keys(const std::filesystem::path& folder);

/// Reads an installed folder, for the comparison with the manifest right before tor starts: what was sealed lies in it (Scrutiny::sealed),
/// and what tor has added since. The folder is tor's: the caller must be root or have CAP_DAC_READ_SEARCH, or be tor's user.
/// @error not_found, invalid_argument, corrupt, io  as parse_key_files and read_key_directory.
Result<KeySet> read_key_folder(const std::filesystem::path& folder);

}  // namespace lethe
