#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace lethe {

/// What org.lethe.Identity1 says of a relay. Its properties say what each of these is.
struct RelayIdentity {
    std::string name, state, reason, fingerprint;
    std::vector<std::string> family_ids = {};
    /// Of a relay without its master key, which nobody but the operator can renew.
    std::optional<std::chrono::sys_seconds> signing_key_ends = {};
};

struct IdentityStatus {
    std::string vault;   ///< "open", "shut" or "not-enrolled"
    std::string reason;  ///< why it is not open
    std::vector<RelayIdentity> relays;
};

/// @error wrong_state  lethe-identityd is not running, or there is no bus.
/// @error io           it answers with an error, or not in time.
Result<IdentityStatus> read_identities();

/// What changes the policy of this vault, as lethe-identityd hands it to root: encoded PolicyKeys.
/// @error as to_error(); wrong_state when the vault is shut
Result<Secret> read_policy_keys();

/// What the relays' state is kept with, as lethe-identityd hands it to lethe-stated: encoded VaultKeys.
/// @error as read_policy_keys()
Result<Secret> read_state_keys();

}  // namespace lethe
