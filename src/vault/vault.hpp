#pragma once

#include "tpm/tpm.hpp"
#include "vault/recovery_key.hpp"
#include "vault/store.hpp"
#include "vault/vault_keys.hpp"

namespace lethe {

struct NewVault;

/// The vault key, sealed to the operator's recovery key: the way in when the TPM is gone.
struct RecoveryBox {
    RecoveryPublicKey recipient;
    Octets box;  ///< key_box_octets
    bool operator==(const RecoveryBox&) const = default;
};

/// The vault key, 32 octets: everything in the store is encrypted under keys derived from it.
class VaultKey : public VaultKeys {
public:
    explicit VaultKey(Secret key, const HandleSet& handles = first_handles) : VaultKeys(derive(key, handles)), key_(std::move(key)) {}
    /// A new one, for a machine that is being enrolled, or in the place of the one that has the other handles.
    static VaultKey random(const HandleSet& handles = first_handles);

private:
    friend RecoveryBox box_vault_key(const VaultKey& key, const RecoveryPublicKey& recipient);
    friend Result<NewVault> seal_vault_key(Tpm& tpm, std::uint32_t nv_handle, VaultKey key);
    friend Result<VaultKey> unsealed_vault_key(const Secret& octets, const HandleSet& handles);
    Secret key_;
};

/// Seals the vault key to a recipient. That one must come from the `recovery` object, which is encrypted, or from the operator: never from
/// the vault record, which whoever can write the disk may have written.
RecoveryBox box_vault_key(const VaultKey& key, const RecoveryPublicKey& recipient);

/// Opens the box. That it opens says nothing about who made it: see VaultRecord.
/// @param handles  of the record that has it.
/// @error invalid_argument  it is sealed to another key; names both.
/// @error corrupt           it is damaged.
Result<VaultKey> unbox_vault_key(const RecoveryBox& box, const RecoverySecretKey& secret_key, const HandleSet& handles = first_handles);

/// What the store's `vault` object holds: nothing secret, and nothing authenticated, since it is read before there is a key.
///
/// Whoever writes the disk can change it. They can make the vault not open, and take the box away or name another recipient: the recovery
/// key is then of no use with this store, which only the operator's check of it (`recovery`, against the `recovery` object) finds out. They
/// can put in a box of their own, with a key that they know. It opens none of the identities here; but they can write others that it opens,
/// and would read all that is encrypted under it from then on. So a key from a box is used to take identities out, whose fingerprints the
/// operator compares; a store is filled again under a fresh key, or under one that has opened an identity with the right fingerprints. They
/// cannot learn the vault key: the TPM holds it to the policy, whatever the record says, and new boxes are made for authenticated
/// recipients alone.
struct VaultRecord {
    SealedObject sealed;
    TpmReference root;                      ///< the storage root key that it was sealed under
    TpmReference index;                     ///< the NV index whose policy opens it; its handle is in it
    std::optional<RecoveryBox> recovery{};  ///< none while no recovery key is set

    /// The NV indices that go with the vault key: those of the policy's index.
    HandleSet handles() const;
    bool operator==(const VaultRecord&) const = default;
};
/// Written as version 2; version 1, without a recovery box, is read as well.
Octets encode_vault_record(const VaultRecord& record);
/// @error corrupt
Result<VaultRecord> decode_vault_record(OctetView octets);

/// The newest whole record of the store.
/// @error wrong_state  not enrolled: no vault in the store.
/// @error corrupt      the record is damaged in both slots.
Result<VaultRecord> read_vault_record(const Store& store);
/// The NV index whose policy opens the vault of the store. @error as read_vault_record()
Result<std::uint32_t> policy_index_of(const Store& store);

/// A vault that is not stored yet: what enrolment holds while it writes the first objects. The record has no recovery box.
struct NewVault {
    VaultRecord record;
    VaultKey key;
};
/// Seals a vault key to the index at `nv_handle`: the one from which the index has its PIN, or that of a store whose TPM was replaced or
/// cleared. The key of the result is_counted(): the store gets its anchor after it.
/// @error not_found  the index does not exist.
Result<NewVault> seal_vault_key(Tpm& tpm, std::uint32_t nv_handle, VaultKey key);

/// Writes the record: the last step of enrolment, from which on the machine is enrolled.
/// @error already_exists  the store has a vault; it is never overwritten.
Result<void> store_vault(Store& store, const VaultRecord& record);

/// Writes the record as the next generation, whether or not there is one: for re-enrolment, and for setting the recovery key. The record
/// before stays in the other slot, with the box in it: to be rid of a former recipient's, call this twice. Copies of the disk keep it.
/// @error corrupt  both slots are damaged: they are left as they are.
Result<void> replace_vault(Store& store, const VaultRecord& record);

/// Opens the vault of the store in this boot.
///
/// @param policies  the candidates, of which the one that the NV index holds is used (the store's `policy` slots, parsed).
/// @error wrong_state      not enrolled: no vault in the store; or another TPM, or the NV index has been redefined.
/// @error policy_mismatch  this boot is not admitted; names the PCRs.
/// @error rollback         no candidate is the one that the index holds: an older policy has been put back.
/// @error corrupt          the record is damaged in both slots.
Result<VaultKey> open_vault(Tpm& tpm, const Store& store, const std::vector<PcrPolicy>& policies);

}  // namespace lethe
