#pragma once

#include <map>
#include <string>

#include "tor/key_set.hpp"

namespace lethe {

/// A relay's keys in the fewest octets, for a machine that keeps them in the TPM: what can neither be derived nor made anew.
struct CompactKeys {
    Secret keys;                             ///< compact_online_octets or compact_offline_octets; layout in docs/formats.md
    std::map<std::string, Secret> families;  ///< name of the family key -> its 64 octets; apart, since relays share them
};

inline constexpr std::size_t compact_online_octets = 193;
inline constexpr std::size_t compact_offline_octets = 293;

/// Left out are the onion keys, which are part of the relay's state; public family ids; and, when the master secret is there, the signing
/// pair: tor makes a new one. A set without the master secret keeps its signing pair.
CompactKeys to_compact(const KeySet& keys);

/// The files that the compact form stands for, checked as parse_key_files checks them (Scrutiny::whole). RSA key, signing key and
/// certificate come out octet for octet as tor wrote them. The form has no octet to spare for a check sum, and a changed prime may be
/// another relay's by chance: whoever keeps the form authenticates it.
/// @error corrupt
Result<KeySet> from_compact(OctetView keys, const std::map<std::string, OctetView>& families);

}  // namespace lethe
