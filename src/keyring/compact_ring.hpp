#pragma once

#include "keyring/keyring.hpp"
#include "vault/keyring_stamp.hpp"

namespace lethe {

/// What one compact object holds: everything of a keyring, with a family key that several relays share only once. Layout in
/// docs/formats.md.
struct CompactRing {
    struct Relay {
        RosterEntry entry;
        Secret keys;                        ///< of tor/compact_identity.hpp; empty while there are none
        std::vector<std::string> families;  ///< names of those in `families`
    };
    std::map<std::string, Relay> relays;
    std::map<std::string, Secret> families;
    std::optional<RecoveryPublicKey> recovery_key;
    std::optional<KeyringStamp> stamp;  ///< none in one whose generations are not counted
};

Secret encode_ring(const CompactRing& ring);
/// Does not look into the relays' keys. @error corrupt
Result<CompactRing> decode_ring(const Secret& payload);

}  // namespace lethe
