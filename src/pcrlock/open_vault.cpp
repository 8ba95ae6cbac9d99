#include "pcrlock/open_vault.hpp"

#include <ranges>

#include "pcrlock/policy_file.hpp"

namespace lethe {
namespace {

Result<VaultKey> open_vault_with(const Store& store, Tpm& tpm, const std::vector<PolicyFile>& files) {
    return open_vault(tpm, store, files | std::views::transform(&PolicyFile::policy) | std::ranges::to<std::vector>());
}

}  // namespace

Result<VaultKey> open_vault_of(const Store& store, Tpm& tpm) {
    const auto files = TRY(read_policy_files(store));
    return open_vault_with(store, tpm, files);
}

Result<OpenedVault> open_vault_and_tell(const Store& store, Tpm& tpm) {
    const auto files = TRY(read_policy_files(store));
    auto key = TRY(open_vault_with(store, tpm, files));
    OpenedVault opened{std::move(key), {}};
    if (auto pcrs = pcrs_in_force(tpm, files)) opened.pcrs = std::move(*pcrs);
    return opened;
}

}  // namespace lethe
