#pragma once

#include <filesystem>

#include "tpm/tpm.hpp"
#include "vault/store.hpp"

namespace lethe {

enum class Restoration { done, not_enrolled };

/// Puts the store's policy file that the NV index confirms where systemd-pcrlock looks for it, which a reboot has emptied. Without it the
/// next make-policy would make another index.
///
/// @error rollback   no policy file in the store is the one in force.
/// @error not_found  the store has no policy file that is whole, or the TPM has no index.
Result<Restoration> restore_policy(Tpm& tpm, const Store& store, const std::filesystem::path& policy_file);

}  // namespace lethe
