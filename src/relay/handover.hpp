#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace lethe {

// What the daemons that hand files to a relay's user have in common.

struct Owner {
    uid_t user;
    gid_t group;
};

/// @error not_found  there is no such user; says how to make it.
Result<Owner> find_owner(const std::string& user);

/// Makes a folder of our own, with exactly this mode, if there is none yet. Not for a place below a folder of another user, who could put a
/// symbolic link there. @error io
Result<void> make_folder(const std::filesystem::path& path, mode_t mode);

}  // namespace lethe
