#pragma once

#include <map>

#include "vault/object.hpp"
#include "vault/slot.hpp"

namespace lethe {

/// The state of some relays, by name. What is in it, a snapshot does not look at.
using RelayStates = std::map<std::string, Secret>;

/// Where the part of a relay lies in a slot.
struct SnapshotPart {
    std::size_t offset;
    std::size_t octets;
    bool operator==(const SnapshotPart&) const = default;
};

/// What a slot of `state` holds: its beginning, which is authenticated by itself.
struct SnapshotDirectory {
    std::uint64_t generation;
    std::map<std::string, SnapshotPart> parts;  ///< by relay
    bool operator==(const SnapshotDirectory&) const = default;
};

/// @error invalid_argument  a name that no relay has; a state of more than payload_limit_octets.
Result<void> check_relay_states(const RelayStates& relays);

/// The octets of one slot of `state`: the directory, then a part for each relay, each an encrypted object of its own, so that damage to one
/// leaves the others. The layout is in docs/formats.md.
/// @param key  32 octets: VaultKeys::kind_key(ObjectKind::state).
/// @error invalid_argument  see check_relay_states(); or they come to more than slot_limit_octets in all.
Result<Octets> encode_snapshot(const Secret& key, std::uint64_t generation, const RelayStates& relays);

/// @error corrupt  the beginning is damaged, or is no snapshot's.
Result<SnapshotDirectory> open_snapshot_directory(const Secret& key, OctetView slot);

/// The state of a relay that the directory names.
/// @error corrupt  its part is damaged, cut off, or another snapshot's.
Result<Secret> open_snapshot_part(const Secret& key, const SnapshotDirectory& directory, const std::string& relay, OctetView slot);

/// The parts that the payload of a directory names, from this offset on. @error corrupt
Result<std::map<std::string, SnapshotPart>> decode_snapshot_parts(const Secret& payload, std::size_t offset);

}  // namespace lethe
