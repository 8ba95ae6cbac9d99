// A new vault key: the part of the service that makes one.
#include "vault/rekey.hpp"

#include "identityd/service.hpp"
#include "pcrlock/policy_in_force.hpp"
#include "pcrlock/predicted_release.hpp"
#include "tpm/policy.hpp"

namespace lethe {
namespace {

Result<void> expect_successor(Tpm& tpm, const PolicyFile& in_force, const PolicyFile& made, std::uint32_t index) {
    if (made.nv_handle != index || !TRY(is_in_force(made.policy, TRY(tpm.nv_read(index)))))
        return fail(ErrorKind::policy_mismatch, "the NV index {:#x} does not hold the policy of the file that was given", index);
    if (!may_succeed(made.policy, in_force.policy))
        return fail(
            ErrorKind::policy_mismatch,
            "the policy of the new NV index {:#x} admits what the one in force does not; try again when no release is staged, nor on trial",
            index);
    return {};
}

}  // namespace

// With the TPM asked once, in every start.
Result<void> IdentityService::finish_rekeying(Tpm& tpm, Store& store, bool in_tpm) {
    if (!TRY(is_rekeying(tpm, *keys_))) return {};
    TRY(drop_files_of_other_indices(tpm, store, keys_->handles().policy));
    return settle_rekeying(store, in_tpm, tpm, *keys_);
}

Result<PolicyKeys> IdentityService::begin_rekeying() {
    const Settled settled(*this);
    TRY(open_keyring());
    const Fd alone = TRY(open_->store->disk().exclude());
    next_.reset();
    const auto tpm = TRY(open_tpm_());
    TRY(finish_rekeying(*tpm, *open_->store, open_->in_tpm));
    TRY(expect_free_handles(*tpm, *keys_));
    next_ = VaultKey::random(other_than(keys_->handles()));
    return next_->policy_keys();
}

// The release that may come back cannot open the vault afterwards, so that nothing speaks against it any more.
Result<void> IdentityService::take_store_over() {
    if (!store_standing_.awaits_takeover) return {};
    TRY(open_->anchor->open(clock_(), Earlier::is_taken_over));
    open_->store->watch(open_->anchor);
    return {};
}

Result<NewVault> IdentityService::rekey_to(const std::optional<RecoveryPublicKey>& key, std::string_view policy_file,
                                           const PolicyKeys& keys) {
    if (!next_) return fail(ErrorKind::wrong_state, "no new vault key was begun with: call BeginRekeying first");
    if (keys.pin != next_->policy_keys().pin)
        return fail(ErrorKind::wrong_state, "another new vault key has been begun with since; try again");
    VaultKey next = *std::exchange(next_, std::nullopt);
    const auto tpm = TRY(open_tpm_());
    const auto made = TRY(parse_policy_file(policy_file));
    const auto in_force = TRY(confirmed_policy_file(*tpm, TRY(read_policy_files(*open_->store)), keys_->handles().policy));
    TRY(expect_successor(*tpm, in_force, made, next.handles().policy));
    TRY(take_store_over());
    auto objects = TRY(open_->keyring->payloads(key));
    const Rekeying to{std::move(objects), key, made.json, in_force.generation};
    TRY(open_->anchor->settle());
    if (keep_) TRY(keep_(*keys_, &next));  // whichever is in force when this process ends
    return rekey(*open_->store, open_->in_tpm, *tpm, *keys_, std::move(next), to);
}

// Which key is in force, the vault record says. Where it cannot be read, nothing may be written under either.
void IdentityService::give_up_rekeying(const Error& error) {
    const auto record = read_vault_record(*open_->store);
    if (record && record->handles() == keys_->handles()) {
        if (keep_) (void)keep_(*keys_, nullptr);
        const auto finished = open_tpm_().and_then([&](const auto& tpm) { return finish_rekeying(*tpm, *open_->store, open_->in_tpm); });
        rekeying_trouble_ = finished ? std::nullopt : std::optional(finished.error());
        return;
    }
    open_.reset();
    vault_ = {VaultState::shut, Error{error.kind, std::format("a new vault key was being made, and it cannot be told whether it is in "
                                                              "force ({}): reboot, which finds out",
                                                              error.message)}};
}

Result<void> IdentityService::set_recovery_key(const std::optional<RecoveryPublicKey>& key, std::string_view policy_file,
                                               const PolicyKeys& keys) {
    const Settled settled(*this);
    TRY(open_keyring());
    const Fd alone = TRY(open_->store->disk().exclude());  // lethe-stated writes into the same store
    auto tpm = TRY(open_tpm_());                           // for the new anchor: nothing may fail between the two
    auto rekeyed = rekey_to(key, policy_file, keys);
    if (!rekeyed) {
        if (open_) give_up_rekeying(rekeyed.error());
        return std::unexpected(rekeyed.error());
    }
    keys_ = rekeyed->key.copy();
    if (keep_) (void)keep_(*keys_, nullptr);  // both are kept until this one is kept alone
    auto store = std::move(open_->store);
    store->watch(nullptr);
    auto in_force =
        read_policy_files(*store).and_then([&](const auto& files) { return confirmed_policy_file(*tpm, files, keys_->handles().policy); });
    auto anchor = std::make_shared<Anchor>(*store, open_->in_tpm, open_tpm_, std::move(tpm), rekeyed->key);
    Vault vault{std::move(store), open_->in_tpm, std::move(rekeyed->key), std::move(in_force), std::move(anchor)};
    open_.reset();
    recovery_key_.reset();
    auto opened = take(vault);
    if (!opened) opened = take(vault);  // a TPM that did not answer once leaves nothing undone
    if (!opened) {
        const auto shut = in_context(opened.error(), "the new vault key is in force, and the vault opens with it at the next boot");
        vault_ = {VaultState::shut, shut.error()};
        return shut;
    }
    open_ = std::move(*opened);
    if (rekeying_trouble_)
        return in_context(*rekeying_trouble_,
                          "the new vault key is in force, and what the former one opens is not removed yet; that is tried "
                          "again at the next start");
    if (recovery_trouble_) return std::unexpected(*recovery_trouble_);
    if (recovery_key_ != key) return fail(ErrorKind::corrupt, "the store gives back another recovery key than was written");
    return {};
}

}  // namespace lethe
