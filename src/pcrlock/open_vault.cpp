#include "pcrlock/open_vault.hpp"

#include <ranges>

namespace lethe {

Result<VaultKey> open_vault_of(const Store& store, Tpm& tpm) { return open_vault_with(store, tpm, TRY(read_policy_files(store))); }

Result<VaultKey> open_vault_with(const Store& store, Tpm& tpm, const std::vector<PolicyFile>& files) {
    return open_vault(tpm, store, files | std::views::transform(&PolicyFile::policy) | std::ranges::to<std::vector>());
}

}  // namespace lethe
