#pragma once

#include "vault/vault.hpp"

namespace lethe {

/// Opens the vault of a store with the policy files that lie in it. @error as open_vault(); wrong_state when the machine is not enrolled
Result<VaultKey> open_vault_of(const Store& store, Tpm& tpm);

/// The same, with the PCRs that the policy in force holds, ascending; without any when the TPM does not tell.
struct OpenedVault {
    VaultKey key;
    std::vector<unsigned> pcrs;
};
Result<OpenedVault> open_vault_and_tell(const Store& store, Tpm& tpm);

}  // namespace lethe
