#include "enroll/reenroll.hpp"

#include <algorithm>
#include <ranges>

#include "enroll/lock_boot.hpp"
#include "keyring/keyring.hpp"
#include "pcrlock/open_vault.hpp"
#include "pcrlock/running_boot.hpp"

namespace lethe {

namespace {

// Whether this is an answer to the question if the vault opens. A TPM that is away, or locked out, and a disk that fails leave it open.
bool says_shut(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::policy_mismatch:
        case ErrorKind::wrong_state:
        case ErrorKind::rollback:
        case ErrorKind::not_found:
        case ErrorKind::corrupt:
            return true;
        default:
            return false;
    }
}

// In a boot that opens the vault there is nothing to recover, and a policy to lose.
Result<void> check_shut(const EnrolmentPorts& ports) {
    const auto opened = open_vault_of(ports.store, ports.tpm);
    if (opened) return fail(ErrorKind::wrong_state, "this boot opens the vault: there is nothing to recover");
    if (says_shut(opened.error().kind)) return {};
    return in_context(opened.error(), "cannot tell whether this boot opens the vault, so that nothing was changed");
}

bool same_fingerprint(std::string_view left, std::string_view right) {
    return std::ranges::equal(
        left, right, {}, [](unsigned char c) { return std::toupper(c); }, [](unsigned char c) { return std::toupper(c); });
}

Result<void> expect_identity(const Keyring& keyring, std::string_view fingerprint) {
    for (const auto& name : TRY(keyring.names())) {
        const auto identity = keyring.read(name);
        if (!identity && identity.error().kind != ErrorKind::corrupt) return std::unexpected(identity.error());
        if (identity && same_fingerprint(identity->keys.fingerprints.rsa_hex(), fingerprint)) return {};
    }
    return fail(
        ErrorKind::invalid_argument,
        "no identity with the fingerprint {} opens with the vault key in this store: name one of its relays, as it was before; if it is "
        "one, the store has been tampered with: bring the identities back from their exports",
        fingerprint);
}

Result<bool> is_counter_of_vault(RollbackCounter counter) {
    const auto counted = counter.value();
    if (counted) return true;
    if (counted.error().kind == ErrorKind::not_found || counted.error().kind == ErrorKind::wrong_state) return false;
    return std::unexpected(counted.error());
}

/// Which of the vault's counters this TPM does not have yet; another vault's may be in their place.
Result<std::vector<std::uint32_t>> missing_counters(Tpm& tpm, const VaultKey& key) {
    const HandleSet& handles = key.handles();
    std::vector<std::uint32_t> missing;
    if (!TRY(is_counter_of_vault({tpm, key}))) missing.push_back(handles.snapshots);
    if (!TRY(is_counter_of_vault({tpm, handles.anchor, key.anchor_authorisation()}))) missing.push_back(handles.anchor);
    return missing;
}

/// The mark goes last: until then it says that the counters, should they be there, have counted nothing.
Result<void> undo(const EnrolmentPorts& ports, std::span<const std::uint32_t> new_counters) {
    for (const std::uint32_t handle : new_counters) TRY(undefine_if_there(ports.tpm, handle));
    TRY(remove_policy(ports));
    return clear_mark(ports.tpm);
}

Result<void> seal_anew(const EnrolmentPorts& ports, const LockedBoot& boot, VaultKey key, const RecoveryPublicKey& recipient) {
    TRY(remove_policy(ports));
    TRY(Anchor(ports.store, ports.store_in_tpm, ports.tpm, key).announce_adoption());  // from when the vault opens until it is anchored
    TRY(make_policy(ports, boot, key.policy_keys()));
    ports.progress("sealing the vault key to this TPM");
    const std::uint32_t index = key.handles().policy;
    auto vault = TRY(seal_vault_key(ports.tpm, index, std::move(key)));
    vault.record.recovery = box_vault_key(vault.key, recipient);
    ports.progress("storing the vault");
    TRY(replace_vault(ports.store, vault.record));
    ports.progress(std::format("anchoring the store in NV index {:#x}", vault.key.handles().anchor));
    return Anchor(ports.store, ports.store_in_tpm, ports.tpm, vault.key)
        .open(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

}  // namespace

Result<std::vector<std::string>> reenroll(const EnrolmentPorts& ports, const Reenrolment& request) {
    const auto record = TRY(read_vault_record(ports.store));
    if (!record.recovery)
        return fail(
            ErrorKind::wrong_state,
            "this store's vault was never sealed to a recovery key: bring the identities back from their exports, after `lethectl enroll`");
    TRY(check_shut(ports));
    TRY(check_boot(ports, request.insecure_boot));
    ports.progress("opening the vault with the recovery key");
    auto key = TRY(unbox_vault_key(*record.recovery, request.key, record.handles()));
    const auto recipient = public_key_of(request.key);
    const auto keyring = open_keyring(ports.store, ports.store_in_tpm, key);
    const auto roster = TRY(keyring->roster());
    TRY(expect_identity(*keyring, request.fingerprint));
    TRY(Anchor(ports.store, ports.store_in_tpm, ports.tpm, key).expect_newest(request.generation));
    const auto boot = TRY(lock_boot(ports, request.extra_pcrs));

    const auto new_counters = TRY(missing_counters(ports.tpm, key));
    if (const auto done = seal_anew(ports, boot, std::move(key), recipient); !done) {
        if (const auto undone = undo(ports, new_counters); !undone)
            return fail(done.error().kind, "{}. Undoing it failed as well ({}); the same command starts with that", done.error().message,
                        undone.error().message);
        return std::unexpected(done.error());
    }
    ports.progress("recovered");
    return roster | std::views::keys | std::ranges::to<std::vector>();
}

}  // namespace lethe
