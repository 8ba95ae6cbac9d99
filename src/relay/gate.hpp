#pragma once

#include "relay/manifest.hpp"

namespace lethe {

/// Whether a relay's tor may start: identityd has admitted it, and what lies in its key folder is what the sealed manifest says.
///
/// @error not_found  there is no manifest: the relay is not admitted. Why, identityd knows.
/// @error corrupt    the folder is damaged, or holds keys with other fingerprints.
/// @error io
Result<void> check_installed_keys(const RuntimePaths& paths, const std::string& relay);

/// Checks the operator's torrc and writes the defaults torrc beside it, with the memory limit of this process's cgroup.
struct TorFiles {
    std::filesystem::path torrc;     ///< the operator's, which exists
    std::filesystem::path defaults;  ///< to be written, on tmpfs
};
/// Where the kernel says what memory there is.
struct MemorySources {
    std::filesystem::path membership = "/proc/self/cgroup";
    std::filesystem::path cgroup_root = "/sys/fs/cgroup";
    std::filesystem::path meminfo = "/proc/meminfo";
};
/// @error invalid_argument  the torrc is refused; the message names the line.
/// @error not_found         there is no torrc.
/// @error corrupt, io
Result<void> write_defaults(const RuntimePaths& paths, const std::string& relay, const TorFiles& files, const MemorySources& sources = {});

}  // namespace lethe
