#pragma once

#include "fake_pcrlock.hpp"
#include "identityd/service.hpp"

namespace lethe {

/// What `lethectl recovery-key set` and `remove` do. @param tpm  FakeTpm or SoftwareTpm, which gets the policy's new index.
template <class IndexTpm>
Result<void> set_recovery_key(IdentityService& service, IndexTpm& tpm, const Store& store, const std::optional<RecoveryPublicKey>& key) {
    const auto keys = TRY(service.begin_rekeying());
    const auto in_force = TRY(confirmed_policy_file(tpm, TRY(read_policy_files(store)), TRY(policy_index_of(store))));
    tpm.authorize(keys.index, in_force.policy);
    return service.set_recovery_key(key, policy_json(in_force.policy, keys.index), keys);
}

}  // namespace lethe
