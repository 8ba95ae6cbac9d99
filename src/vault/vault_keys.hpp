#pragma once

#include <initializer_list>

#include "tpm/tpm.hpp"
#include "vault/object.hpp"

namespace lethe {

/// What whoever changes the policy has of the vault: enough to write any policy, so it is as good as the vault key to a holder who can use
/// the TPM.
struct PolicyKeys {
    Secret pin;   ///< the recovery PIN of the policy's NV index: 64 lower-case hexadecimal digits
    Secret copy;  ///< the key of the object `policy_copy`, 32 octets
    std::uint32_t index = first_handles.policy;

    /// All in a row, for a descriptor that hands them to another process.
    Secret encode() const;
    /// @error corrupt
    static Result<PolicyKeys> decode(const Secret& octets);
};

/// What derives from the vault key (vault/vault.hpp), by crypto_kdf with the context "lethe-v1": all that is left of it once the vault is
/// open. Each is of 32 octets, in locked memory.
class VaultKeys {
public:
    /// Of all objects of a kind, with the kind as subkey id.
    Secret kind_key(ObjectKind kind) const;
    /// The authorisation of the counter of snapshots, with an id that is no kind's.
    Secret counter_authorisation() const;
    /// That of the counter of the store's generations.
    Secret anchor_authorisation() const;
    /// What changes the policy that opens this vault; the PIN is derived in the same way.
    PolicyKeys policy_keys() const;
    /// The NV indices that go with the vault key.
    const HandleSet& handles() const { return handles_; }

    /// Whether the vault key was sealed by a release that numbers its store (vault/anchor.hpp), which only the sealed key itself says
    /// without doubt: a store of such a key that has no anchor was robbed of it.
    bool is_counted() const { return is_counted_; }

    VaultKeys copy() const;
    /// Those alone that the relays' state is kept with. Another may be asked of the result by a mistake only, which ends the process.
    VaultKeys of_state() const;

    /// For a descriptor that hands them to another process, or keeps them through a restart.
    Secret encode() const;
    /// @error corrupt
    static Result<VaultKeys> decode(const Secret& octets);

protected:
    /// @param key  the vault key, 32 octets.
    static VaultKeys derive(const Secret& key, const HandleSet& handles);

    bool is_counted_ = false;

private:
    explicit VaultKeys(const HandleSet& handles) : handles_(handles) {}
    VaultKeys only(std::span<const std::uint16_t> ids) const;
    OctetView subkey(std::uint16_t id) const;

    HandleSet handles_;
    Secret rows_;  ///< each an id, little-endian in two octets, and its key
};

}  // namespace lethe
