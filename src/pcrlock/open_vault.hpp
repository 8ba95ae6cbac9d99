#pragma once

#include "pcrlock/policy_file.hpp"
#include "vault/vault.hpp"

namespace lethe {

/// Opens the vault of a store with the policy files that lie in it. @error as open_vault(); wrong_state when the machine is not enrolled
Result<VaultKey> open_vault_of(const Store& store, Tpm& tpm);

/// The same with files that were read already. @error as open_vault()
Result<VaultKey> open_vault_with(const Store& store, Tpm& tpm, const std::vector<PolicyFile>& files);

}  // namespace lethe
