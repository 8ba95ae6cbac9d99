#include "pcrlock/open_vault.hpp"

#include <ranges>

#include "pcrlock/policy_file.hpp"

namespace lethe {

Result<VaultKey> open_vault_of(const Store& store, Tpm& tpm) {
    const auto files = TRY(read_policy_files(store));
    return open_vault(tpm, store, files | std::views::transform(&PolicyFile::policy) | std::ranges::to<std::vector>());
}

}  // namespace lethe
