#pragma once

#include <span>
#include <string>

#include "tor/key_set.hpp"

namespace lethe {

/// A file of a relay's key directory that somebody else opened.
struct OfferedFile {
    std::string name;  ///< as it is called in the key directory
    int fd;            ///< borrowed; its position is neither used nor moved
};

/// Reads key files through their descriptors. Trusts nothing about them: each must be a regular file, open for reading, of at most
/// key_file_limit_octets, that does not change while it is read; a secret one must give others no permission. Unfinished files
/// (is_unfinished_key_file) are skipped. What is in the files is for parse_key_files to judge.
///
/// @param files  1 to key_file_limit_count, no two of one name.
/// @error invalid_argument  the list or one of the descriptors is not as above; the message names the file and says what to do.
/// @error wrong_state       a file changed: tor is still running.
/// @error io
Result<KeyFiles> read_offered_files(std::span<const OfferedFile> files);

}  // namespace lethe
