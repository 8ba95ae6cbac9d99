#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <vector>

#include "relay/manifest.hpp"

namespace lethe {

/// What the rest of the start needs to know about the keys that were found installed.
struct InstalledKeys {
    bool has_master_secret = false;
    std::vector<std::string> family_ids{};  ///< of the family keys among them
};

/// Whether a relay's tor may start: identityd has admitted it, and what lies in its key folder is what the sealed manifest says, and does
/// not make tor end at once because a signing key has ended whose master key is kept offline.
///
/// @param now  seconds since the epoch.
/// @error not_found    there is no manifest: the relay is not admitted. Why, identityd knows.
/// @error corrupt      the folder is damaged, or holds keys with other fingerprints.
/// @error wrong_state  the signing key has ended, or ends within a minute.
/// @error io
Result<InstalledKeys> check_installed_keys(const RuntimePaths& paths, const std::string& relay, std::int64_t now = std::time(nullptr));

/// RSA fingerprints by the names of relays.
using PinnedFingerprints = std::map<std::string, std::array<std::uint8_t, 20>>;

/// Whether the relay's manifest is that of the identity that lethe.conf pins it to, if it pins it to any: once more, by another program
/// than the one that installed the keys. @error wrong_state  it is another one. @error as read_manifest()
Result<void> check_pinned(const RuntimePaths& paths, const std::string& relay, const PinnedFingerprints& pinned);

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
/// Checks the operator's torrc, and that there is a key for each family that it names; writes the defaults torrc beside it, with the memory
/// limit of this process's cgroup.
///
/// @error invalid_argument  the torrc is refused; the message names the line or the family.
/// @error not_found         there is no torrc.
/// @error corrupt, io
Result<void> write_defaults(const RuntimePaths& paths, const std::string& relay, const InstalledKeys& keys, const TorFiles& files,
                            const MemorySources& sources = {});

}  // namespace lethe
