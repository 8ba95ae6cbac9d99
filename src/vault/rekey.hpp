#pragma once

#include "vault/vault.hpp"

namespace lethe {

// A new vault key in the place of the present one: everything is encrypted again, and what the former key opens is worth nothing in this
// store afterwards. Power may go at any instant.
//
// Each vault key has its set of NV indices (HandleSet), so that a new one is made beside the present one. What it encrypts goes into the
// slot that the present key can do without; each key takes the other's slots for damaged ones. The vault record, one slot, decides which
// of the two is in force. Whatever came of it, settle_rekeying() fills the slots of the other key from those of the one in force, and
// undefines the other's indices. The policy's index is the first that there is of a set and the last that goes.

/// What an object holds.
struct StoredPayload {
    ObjectId id;
    Secret payload;
};

/// What the store is to hold under its new key.
struct Rekeying {
    std::vector<StoredPayload> objects;  ///< of the keyring
    std::optional<RecoveryPublicKey> recovery{};
    std::string policy;             ///< systemd-pcrlock's file of the new index
    std::uint64_t policy_in_force;  ///< the generation of the present one in the store, which stays there
};

/// Seals `next` to the policy's index in its set, which is there, writes everything under it, and last the vault record.
///
/// @param store    is not told of it: what watches it goes on with the present key, or ends.
/// @param present  the key in force. What is written ahead under it has to be settled.
/// @return the vault as it is now in force.
/// @error io, wrong_state, invalid_argument  there is no room, or the disk or the TPM fails. The present key is in force, unless
///                                           read_vault_record() says otherwise or fails; settle_rekeying() comes next.
/// @error rollback  what is numbered has been put back from earlier.
Result<NewVault> rekey(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& present, VaultKey next, const Rekeying& to);

/// Whether there is a policy index of the set that is not in use: a re-keying has begun, and not come to its end.
Result<bool> is_rekeying(Tpm& tpm, const VaultKeys& in_force);

/// Brings a re-keying to its end, or undoes it, whichever key is in force: see above. Nothing is written over that the key in force opens.
/// An index that is not Lethe's stays.
///
/// @param store  watched by the anchor of the key in force. Of the policy it is to hold only files of the index in use.
/// @error io, tpm_unavailable  what is left is tried again at the next start.
Result<void> settle_rekeying(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& in_force);

/// Whether the set that is not in use is free. @error wrong_state  somebody else has an index there; names it.
Result<void> expect_free_handles(Tpm& tpm, const VaultKeys& in_force);

}  // namespace lethe
