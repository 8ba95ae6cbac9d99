#pragma once

#include <memory>
#include <optional>

#include "tor/key_set.hpp"
#include "vault/recovery_key.hpp"
#include "vault/rekey.hpp"
#include "vault/roster.hpp"
#include "vault/vault.hpp"

namespace lethe {

/// An identity as it comes out of the store.
struct StoredIdentity {
    KeySet keys;
    std::uint64_t generation;  ///< how often it has been written
    bool one_copy_damaged;     ///< of the two in the store
};

/// The relays of this machine, their keys and the operator's recovery key, sealed under the vault key. On a disk each relay has an object
/// of its own, so that damage to one is one relay's; in the TPM, where octets are few, all are one compact object.
///
/// Every verb may fail with `io`, and with `tpm_unavailable` when the store is in the TPM.
class Keyring {
public:
    virtual ~Keyring() = default;

    /// The relays that are meant to exist; empty when none was ever listed. @error corrupt
    virtual Result<Roster> roster() const = 0;
    virtual Result<void> write_roster(const Roster& roster) = 0;

    /// @error not_found  there is none.
    /// @error corrupt    no copy is whole, or its keys do not belong together.
    virtual Result<StoredIdentity> read(const std::string& relay) const = 0;
    /// The next generation of a relay's keys. In the TPM the relay has to be listed.
    /// @error invalid_argument  it does not fit where it is to go; nothing has been written.
    /// @error corrupt           there are copies and none is whole: they are not written over.
    virtual Result<void> write(const std::string& relay, const KeySet& keys) = 0;
    /// Overwrites and removes every copy. Nothing to do when there is none.
    virtual Result<void> wipe(const std::string& relay) = 0;

    /// Whether there is a copy, whole or not.
    virtual Result<bool> exists(const std::string& relay) const = 0;
    /// Every relay with a copy, listed or not.
    virtual Result<std::vector<std::string>> names() const = 0;

    /// The recovery key that the operator has set. @error corrupt
    virtual Result<std::optional<RecoveryPublicKey>> recovery_key() const = 0;
    virtual Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key) = 0;

    /// All that the keyring has in the store, as it is once the recovery key is this one: what a new vault key takes over
    /// (vault/rekey.hpp).
    /// @error corrupt, rollback  an object cannot be read: it would be lost. Names it.
    virtual Result<std::vector<StoredPayload>> payloads(const std::optional<RecoveryPublicKey>& recovery) const = 0;
};

/// Borrows the store. Keeps the keys that it derives from the vault key, and not the vault key.
/// @param in_tpm  the store lies in the TPM.
std::unique_ptr<Keyring> open_keyring(Store& store, bool in_tpm, const VaultKeys& key);

/// Whether a store has any part of a keyring but identities.
Result<bool> has_lists(const Store& store);

/// Erases all that a keyring has in a store, without its keys: of a vault that was given up. Identities on a disk stay.
Result<void> erase_lists(Store& store);

}  // namespace lethe
