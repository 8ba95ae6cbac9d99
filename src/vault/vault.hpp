#pragma once

#include "tpm/tpm.hpp"
#include "vault/store.hpp"

namespace lethe {

/// The vault key, 32 octets: everything in the store is encrypted under keys derived from it.
class VaultKey {
public:
    explicit VaultKey(Secret key) : key_(std::move(key)) {}
    /// The 32-octet key of all objects of a kind: crypto_kdf, context "lethe-v1", the kind as subkey id. What a daemon keeps after the
    /// boot.
    Secret kind_key(ObjectKind kind) const;

private:
    Secret key_;
};

/// What the store's `vault` object holds: nothing secret.
struct VaultRecord {
    SealedObject sealed;
    TpmReference root;   ///< the storage root key that it was sealed under
    TpmReference index;  ///< the NV index whose policy opens it
    bool operator==(const VaultRecord&) const = default;
};
Octets encode_vault_record(const VaultRecord& record);
/// @error corrupt
Result<VaultRecord> decode_vault_record(OctetView octets);

/// A vault that is not stored yet: what enrolment holds while it writes the first objects.
struct NewVault {
    VaultRecord record;
    VaultKey key;
};
/// Seals a fresh vault key to the index at `nv_handle`. @error not_found  the index does not exist.
Result<NewVault> seal_new_vault(Tpm& tpm, std::uint32_t nv_handle);

/// Writes the record: the last step of enrolment, from which on the machine is enrolled.
/// @error already_exists  the store has a vault; it is never overwritten.
Result<void> store_vault(Store& store, const VaultRecord& record);

/// Opens the vault of the store in this boot.
///
/// @param policies  the candidates, of which the one that the NV index holds is used (the store's `policy` slots, parsed).
/// @error wrong_state      not enrolled: no vault in the store; or another TPM, or the NV index has been redefined.
/// @error policy_mismatch  this boot is not admitted; names the PCRs.
/// @error rollback         no candidate is the one that the index holds: an older policy has been put back.
/// @error corrupt          the record is damaged in both slots.
Result<VaultKey> open_vault(Tpm& tpm, const Store& store, const std::vector<PcrPolicy>& policies);

}  // namespace lethe
