#pragma once

#include "tpm/tpm.hpp"
#include "vault/vault_keys.hpp"

namespace lethe {

/// A counter of a vault in the TPM, which says how new the newest of what carries its numbers has to be. Only the vault key can use it, and
/// no owner of the TPM can bring it back to where it was: one that is made anew goes on above all before it.
class RollbackCounter {
public:
    /// That of the snapshots. Sends no command yet. @param tpm  is borrowed.
    RollbackCounter(Tpm& tpm, const VaultKeys& key) : RollbackCounter(tpm, key.handles().snapshots, key.counter_authorisation()) {}
    /// The one at another handle.
    RollbackCounter(Tpm& tpm, std::uint32_t handle, Secret authorisation)
        : tpm_(&tpm), handle_(handle), authorisation_(std::move(authorisation)) {}

    /// @error not_found    there is none.
    /// @error wrong_state  it is not this vault's: it was redefined.
    Result<std::uint64_t> value();

    /// Whether there is none. Another vault's is one.
    Result<bool> is_missing();

    /// The value, of a new counter when there was none.
    /// @error wrong_state  as above; or the TPM has no room for one.
    Result<std::uint64_t> value_or_new();

    /// After an error it is not known whether it has counted.
    /// @error not_found, wrong_state  as value().
    Result<void> increment();

    /// Removes whatever index is in its place and makes a new counter, which accepts no number from before.
    Result<void> define_anew();

    std::uint32_t handle() const { return handle_; }

private:
    Tpm* tpm_;
    std::uint32_t handle_;
    Secret authorisation_;
    std::unique_ptr<NvCounter> open_;
};

}  // namespace lethe
