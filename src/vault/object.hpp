#pragma once

#include <cstdint>
#include <string>

#include "base/octets.hpp"
#include "base/secret.hpp"

namespace lethe {

/// What an object in the store is for. The values are part of the format: never renumber them.
enum class ObjectKind : std::uint8_t {
    vault = 1,         ///< the TPM object that holds the vault key; not encrypted
    policy = 2,        ///< the pcrlock JSON; not encrypted
    relays = 3,        ///< the relays that are meant to exist (vault/roster.hpp)
    identity = 4,      ///< the keys of one relay and their manifest
    enrolling = 5,     ///< there from before the NV index is made until the vault is stored; empty, not encrypted
    recovery = 6,      ///< the operator's public key for exports (vault/recovery_key.hpp)
    keyring = 7,       ///< relays, identities and recovery in one compact object, for a machine that keeps them in the TPM
    state = 8,         ///< the snapshots of all relays' state (vault/snapshots.hpp)
    minimal = 9,       ///< of each relay the little that brings its bandwidth back, in the TPM (vault/minimal_states.hpp)
    ledger = 10,       ///< the generation of the store, and what each object holds in it (vault/ledger.hpp)
    policy_copy = 11,  ///< the policy file once more, encrypted: a change of it is noticed, and repaired (pcrlock/policy_in_force.hpp)
};

/// Names an object; `name` is empty for kinds of which there is one, else a relay's name.
struct ObjectId {
    ObjectKind kind;
    std::string name;
    auto operator<=>(const ObjectId&) const = default;
};

/// "vault", "policy", "relays", "identity-NAME", "enrolling", "recovery", "keyring", "state", "minimal", "ledger", "policy-copy": the stem
/// of the two slot files.
std::string file_stem(const ObjectId& id);

/// A relay's name: a lower-case letter, then up to 18 lower-case letters and digits, so that it fits a FAT name, a D-Bus path, a user name
/// and a nickname alike. @error invalid_argument
Result<void> check_relay_name(std::string_view name);

/// One version of an object.
struct ObjectVersion {
    std::uint64_t generation;  ///< 1 for the first
    Secret payload;
    bool other_slot_damaged = false;  ///< the other slot exists and is not whole; set by Store
};

/// No object holds more than this before compression, 16 MiB.
constexpr std::size_t payload_limit_octets = 16 << 20;

/// The octets of one slot: a fixed header, then the payload compressed (zstd) and encrypted (XChaCha20-Poly1305, the header as associated
/// data). The layout is in docs/formats.md.
/// @param key  32 octets, of the object's kind; from VaultKeys::kind_key.
Octets encrypt_object(const Secret& key, const ObjectId& id, std::uint64_t generation, const Secret& payload);
/// @error corrupt  not such an object, another kind or name, an unknown version, or octets that do not authenticate.
Result<ObjectVersion> decrypt_object(const Secret& key, const ObjectId& id, OctetView slot);

/// How many octets an object takes that has been decrypted: what follows them in the slot is not part of it.
std::size_t object_octets(OctetView slot);

/// The same for public objects: BLAKE2b-256 over header and payload instead of encryption. It finds torn writes, not attackers. The payload
/// is compressed where that makes it smaller.
Octets frame_object(const ObjectId& id, std::uint64_t generation, OctetView payload);
Result<ObjectVersion> unframe_object(const ObjectId& id, OctetView slot);

}  // namespace lethe
