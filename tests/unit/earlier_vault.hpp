#pragma once

#include "tpm/policy.hpp"
#include "vault/vault.hpp"

namespace lethe {

/// Seals a new vault key as releases before this one did: the key alone, whose store need not have an anchor.
inline Result<NewVault> seal_earlier_vault(Tpm& tpm, std::uint32_t nv_handle) {
    const Secret key = Secret::random(32);
    VaultRecord record;
    record.root = TRY(tpm.storage_root());
    record.index = TRY(tpm.nv_index(nv_handle));
    record.sealed = TRY(tpm.seal(record.root, key, policy_authorize_nv(record.index.name)));
    return NewVault{std::move(record), VaultKey(Secret::copy_of(key.expose()))};
}

}  // namespace lethe
