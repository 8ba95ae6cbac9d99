#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tor_keys.hpp"

namespace lethe {

/// Puts the files into `keys`, a new directory as tor wants it.
void put_files(const KeyFiles& files, const std::filesystem::path& keys);

/// What the real tor does with a set of key files.
struct TorVerdict {
    bool started = false;        ///< as far as its keys matter
    bool same_identity = false;  ///< and both fingerprints are those that were expected
    KeyFiles left{};             ///< what is in the directory afterwards
};

/// Lets tor load the files as a relay does when it starts (`--list-fingerprint`).
TorVerdict ask_tor(const KeyFiles& files, bool offline_master_key, const Fingerprints& expected);

/// Starts tor as a relay that opens no socket, with these arguments besides, until it bootstraps or ends; then calls `once_up` and
/// ends it.
struct TorStart {
    bool bootstraps;
    std::string output;
};
TorStart start_tor(std::vector<std::string> arguments, const std::function<void()>& once_up = [] {});

/// Alice's or Bob's signing certificate with another end, signed by their master key. @param expires  rounded down to the hour.
Secret certificate_until(const KeySet& keys, std::int64_t expires);

}  // namespace lethe
