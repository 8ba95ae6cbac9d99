#include <ranges>

#include "identityd/service.hpp"
#include "pcrlock/open_vault.hpp"
#include "pcrlock/predicted_release.hpp"
#include "tpm/policy.hpp"
#include "vault/sealed_export.hpp"

namespace lethe {
namespace {

Result<bool> every_box_is_for(const Store& store, const std::optional<RecoveryPublicKey>& recipient) {
    for (const auto& version : TRY(store.read_framed({ObjectKind::vault, ""}))) {
        const auto record = decode_vault_record(version.payload.expose());
        if (version.other_slot_damaged) return false;  // what a cut has left of it may be a former recipient's box
        if (!record) continue;
        if (record->recovery.has_value() != recipient.has_value() || (recipient && record->recovery->recipient != *recipient)) return false;
    }
    return true;
}

// Whether the machine may go back to another release, which is on trial beside this one or ran before it.
bool has_fall_back(const Result<PolicyFile>& in_force) { return !in_force || !admits_one_release(in_force->policy); }

std::vector<unsigned> pcrs_of(const Result<PolicyFile>& in_force) {
    if (!in_force) return {};
    return in_force->policy | std::views::transform(&AdmittedPcr::pcr) | std::ranges::to<std::vector>();
}

}  // namespace

// No vault in the store, and a TPM that knows of one: the store is lost, and nothing is made in its place.
Error IdentityService::why_no_vault() {
    vault_.state = VaultState::not_enrolled;
    const Error not_enrolled{ErrorKind::wrong_state, "this machine is not enrolled; run `lethectl enroll` as root"};
    const auto tpm = open_tpm_();
    if (!tpm || read_mark(**tpm).value_or(UnderWay::nothing) == UnderWay::enrolment) return not_enrolled;
    const bool has_policy =
        index_exists(**tpm, first_handles.policy).value_or(false) || index_exists(**tpm, second_handles.policy).value_or(false);
    if (!has_policy && !anchor_exists(**tpm).value_or(false)) return not_enrolled;
    vault_.state = VaultState::shut;
    return {ErrorKind::rollback,
            "the store is lost: the TPM knows of a vault that is not there. Put the store back from the newest copy, or bring the "
            "identities back with `lethectl enroll --discard` and `lethectl identity recover`"};
}

void IdentityService::open_once(RecordWord close, KeyKeeper keep, std::vector<VaultKeys> kept) {
    close_ = std::move(close);
    keep_ = std::move(keep);
    kept_ = std::move(kept);
}

// Of the keys that were kept, those of the vault as the store has it: a new vault key may have been put in force since.
Result<void> IdentityService::take_kept(const Store& store) {
    if (kept_.empty()) return {};
    const HandleSet handles = TRY(read_vault_record(store)).handles();
    const auto found = std::ranges::find(kept_, handles, &VaultKeys::handles);
    if (found != kept_.end()) keys_ = std::move(*found);
    kept_.clear();
    return keys_ ? keep_(*keys_, nullptr) : Result<void>();
}

// The vault key itself, when it has to be opened now: what derives from it is kept at once, since nothing opens it later in this boot.
Result<std::optional<VaultKey>> IdentityService::find_keys(const Store& store, Tpm& tpm, const std::vector<PolicyFile>& files) {
    TRY(take_kept(store));
    if (keys_ && close_) return std::nullopt;
    auto key = TRY(open_vault_with(store, tpm, files));
    VaultKeys derived = key.copy();
    if (keep_) TRY(keep_(derived, nullptr));
    keys_ = std::move(derived);
    return key;
}

// Not where an earlier release has made the policy: systemd-pcrlock alone can write that again, in a boot that it admits.
Result<void> IdentityService::close_vault(Tpm& tpm, const Vault& vault) {
    if (!close_ || is_of_earlier_release()) return {};
    if (vault.in_force) return close_opening(tpm, &vault.in_force->policy, close_);
    // Lost since the vault was opened; whether that was recorded then is not known.
    return vault.key ? Result<void>(std::unexpected(vault.in_force.error())) : close_opening(tpm, nullptr, close_);
}

Result<IdentityService::Vault> IdentityService::open_the_vault() {
    auto opened = TRY(open_store_());
    auto store = std::make_unique<Store>(std::move(opened.store));
    if (!TRY(store->exists({ObjectKind::vault, ""}))) return std::unexpected(why_no_vault());
    auto tpm = TRY(open_tpm_());
    const auto files = TRY(read_policy_files(*store));
    auto key = TRY(find_keys(*store, *tpm, files));
    auto in_force = confirmed_policy_file(*tpm, files, keys_->handles().policy);
    auto anchor = std::make_shared<Anchor>(*store, opened.in_tpm, open_tpm_, std::move(tpm), *keys_);
    return Vault{std::move(store), opened.in_tpm, std::move(key), std::move(in_force), std::move(anchor)};
}

// The vault key lives in this function alone.
Result<IdentityService::Open> IdentityService::open() {
    Vault vault = TRY(open_the_vault());
    Open opened = TRY(take(vault));
    if (!recovery_trouble_)
        if (const auto followed = follow_recovery_key(*opened.store, vault.key); !followed) recovery_trouble_ = followed.error();
    return opened;
}

// Of the vault it moves everything but the key.
Result<IdentityService::Open> IdentityService::take(Vault& vault) {
    auto& [store, in_tpm, key, in_force, anchor] = vault;
    const auto compared = anchor->open(clock_(), has_fall_back(in_force) ? Earlier::stays : Earlier::is_taken_over);
    store_standing_ = anchor->standing();
    const auto tpm = TRY(open_tpm_());
    TRY(close_vault(*tpm, vault));
    TRY(compared);
    if (!store_standing_.awaits_takeover) store->watch(anchor);
    rekeying_trouble_.reset();
    if (const auto finished = finish_rekeying(*tpm, *store, in_tpm); !finished) rekeying_trouble_ = finished.error();
    auto keyring = lethe::open_keyring(*store, in_tpm, *keys_);
    Open opened{std::move(store),
                std::move(keyring),
                pcrs_of(in_force),
                std::move(anchor),
                in_tpm,
                export_authentication(keys_->kind_key(ObjectKind::identity))};
    const auto recovery_key = opened.keyring->recovery_key();
    if (recovery_key) recovery_key_ = *recovery_key;
    recovery_trouble_ = recovery_key ? std::nullopt : std::optional(recovery_key.error());
    return opened;
}

std::map<std::string, ObjectStanding> IdentityService::store_objects() const {
    return open_ ? open_->anchor->objects() : std::map<std::string, ObjectStanding>{};
}

std::string IdentityService::store_reason() const {
    if (!open_) return vault_.reason && vault_.state == VaultState::shut ? vault_.reason->message : "";
    std::string text;
    for (const auto& [name, standing] : store_objects()) {
        if (standing == ObjectStanding::current || standing == ObjectStanding::changing) continue;
        text += std::format("{}{} is {}", text.empty() ? "" : ", ", name, name_of(standing));
    }
    if (text.empty()) return text;
    return std::format(
        "{}: put the newest copy of the store back, or, if you know why, adopt what is there with `lethectl store accept "
        "--generation {}`",
        text, store_standing_.generation);
}

Result<void> IdentityService::accept_store(std::uint64_t generation) {
    open_.reset();
    const auto accepted = open_the_vault().and_then([&](const Vault& vault) { return vault.anchor->accept(generation, clock_()); });
    restore();
    return accepted;
}

// The setting is what counts: the box in the vault record follows it, in both slots, since the older one may have a former recipient's. A
// cut in between is mended at the next start.
Result<void> IdentityService::follow_recovery_key(Store& store, const std::optional<VaultKey>& key) {
    if (TRY(every_box_is_for(store, recovery_key_))) return {};
    if (!key)
        return fail(ErrorKind::wrong_state,
                    "the vault key is sealed to the recovery key as it is set when the vault is opened next: reboot");
    auto record = TRY(read_vault_record(store));
    record.recovery = recovery_key_.transform([&](const auto& recipient) { return box_vault_key(*key, recipient); });
    TRY(replace_vault(store, record));
    if (!TRY(every_box_is_for(store, recovery_key_))) TRY(replace_vault(store, record));
    return {};
}

void IdentityService::restore() {
    open_.reset();
    store_standing_ = {};
    relays_.clear();
    recovery_key_.reset();
    recovery_trouble_.reset();
    vault_ = {VaultState::shut, std::nullopt};
    firmware_ = read_firmware_ ? read_firmware_() : FirmwareState{};
    if (auto opened = open()) {
        open_ = std::move(*opened);
        vault_.state = VaultState::open;
        const Settled settled(*this);
        restore_relays();
    } else {
        vault_.reason = opened.error();
        report_stored(RelayState::shut, opened.error().message);
    }
    insecurity_ = lethe::insecurity(firmware_.secure_boot, open_ ? std::optional(open_->pcrs) : std::nullopt);
    withdraw_others();
}

void IdentityService::restore_relays() {
    auto roster = open_->keyring->roster();
    if (!roster) return report_stored(RelayState::damaged, "the list of relays: " + roster.error().message);
    const auto names = *roster | std::views::keys | std::ranges::to<std::vector>();
    for (const auto& name : names) restore_relay(*roster, name);
    report_stored(RelayState::unlisted,
                  "it is not in the list of this machine's relays; another machine's store, or one put back from earlier");
}

void IdentityService::withdraw_others() {
    const auto is_installed = [](const auto& relay) { return relay.second.state == RelayState::installed; };
    const auto admitted = relays_ | std::views::filter(is_installed) | std::views::keys | std::ranges::to<std::set>();
    const auto withdrawn = place_.withdraw_others(admitted);
    if (withdrawn) return;
    for (auto& [name, relay] : relays_) {
        if (relay.state != RelayState::installed) relay.reason += "; and an earlier manifest stays: " + withdrawn.error().message;
    }
}

void IdentityService::report(const std::string& name, RelayState state, std::string reason, const RosterEntry& entry) {
    relays_[name] = {};
    relays_[name].name = name;
    relays_[name].state = state;
    relays_[name].reason = std::move(reason);
    if (entry.fingerprint) relays_[name].fingerprint = Fingerprints{*entry.fingerprint, {}}.rsa_hex();
}

// Reports every relay with an identity in the store about which nothing is known yet. On a disk the names are public, so this works with a
// shut vault.
void IdentityService::report_stored(RelayState state, const std::string& reason) {
    Result<std::vector<std::string>> names;
    if (open_) {
        names = open_->keyring->names();
    } else if (const auto opened = open_store_()) {
        const auto ids = opened->store.list(ObjectKind::identity);
        if (ids) names = *ids | std::views::transform(&ObjectId::name) | std::ranges::to<std::vector>();
    }
    for (const auto& name : names.value_or(std::vector<std::string>{})) {
        if (!relays_.contains(name)) report(name, state, reason);
    }
}

void IdentityService::restore_relay(Roster& roster, const std::string& name) {
    const auto entry = roster[name];
    switch (entry.stage) {
        case RelayStage::pending:
            return restore_pending(roster, name);
        case RelayStage::created:
            return restore_created(roster, name);
        case RelayStage::forgotten:
            if (const auto finished = finish_forgetting(roster, name); !finished)
                report(name, RelayState::damaged, "it is to be forgotten, and cannot be wiped yet: " + finished.error().message, entry);
            return;
        case RelayStage::arriving: {
            const auto arrived = settle_arrival(roster, name);
            if (!arrived) report(name, RelayState::damaged, "its keys were being imported: " + arrived.error().message, entry);
            else if (*arrived) restore_created(roster, name);
        }
    }
}

// Keys of a pending relay have never reached tor: what a power cut left of their first write is worth nothing. The new ones go into the
// other slot.
void IdentityService::restore_pending(Roster& roster, const std::string& name) {
    auto identity = open_->keyring->read(name);
    if (!identity && (identity.error().kind == ErrorKind::not_found || identity.error().kind == ErrorKind::corrupt)) {
        auto made = make_identity(roster, name);
        if (made) return install(name, std::move(*made));
        return report(
            name, RelayState::pending,
            std::format("its keys could not be made: {}. Try again with `lethectl identity create {}`", made.error().message, name));
    }
    if (!identity) return report(name, RelayState::pending, "the store: " + identity.error().message);
    // Power went between the write of the identity and that of the list: these are its keys.
    roster[name] = {RelayStage::created, identity->keys.fingerprints.rsa};
    if (const auto written = open_->keyring->write_roster(roster); !written)
        return report(name, RelayState::pending, "the list of relays: " + written.error().message);
    install(name, std::move(*identity));
}

void IdentityService::restore_created(Roster& roster, const std::string& name) {
    auto& entry = roster[name];
    auto identity = open_->keyring->read(name);
    if (!identity) {
        const bool missing = identity.error().kind == ErrorKind::not_found;
        return report(name, RelayState::damaged,
                      std::format("{}{}. No new keys are made in its place; `lethectl identity recover` brings them back from an export",
                                  identity.error().message, missing ? "; put it back from a copy of the store" : ""),
                      entry);
    }
    if (const auto settled = settle_replacement(roster, name, *identity); !settled)
        return report(name, RelayState::damaged, settled.error().message, entry);
    install(name, std::move(*identity));
}

/// The list and the identity say the same; what a cut left between them is brought to its end.
Result<void> IdentityService::settle_replacement(Roster& roster, const std::string& name, const StoredIdentity& identity) {
    auto& entry = roster[name];
    const auto& found = identity.keys.fingerprints.rsa;
    const RosterEntry settled{RelayStage::created, found};
    if (entry == settled) return {};
    const bool replaced = entry.successor && *entry.successor == found;
    if (!replaced && entry.fingerprint && *entry.fingerprint != found)
        return fail(ErrorKind::corrupt, "the store has {}, the list of relays says {}; put back the newer copy of the store",
                    identity.keys.fingerprints.rsa_hex(), Fingerprints{*entry.fingerprint, {}}.rsa_hex());
    if (replaced) TRY(open_->keyring->write(name, identity.keys));  // the other copy may be the former identity
    entry = settled;
    return open_->keyring->write_roster(roster);
}

/// Whether the keys that a person was bringing when power went are there, whole. If not, what there is of them is erased.
Result<bool> IdentityService::settle_arrival(Roster& roster, const std::string& name) {
    const auto identity = open_->keyring->read(name);
    if (!identity && identity.error().kind != ErrorKind::not_found && identity.error().kind != ErrorKind::corrupt)
        return std::unexpected(identity.error());
    if (identity && roster[name].fingerprint == identity->keys.fingerprints.rsa) {
        roster[name].stage = RelayStage::created;
        TRY(open_->keyring->write_roster(roster));
        return true;
    }
    TRY(finish_forgetting(roster, name));
    return false;
}

// Two slots are there to survive one damage; so the damaged one is written again while the other is whole.
Result<std::string> IdentityService::mend(const std::string& name, StoredIdentity& identity) {
    if (!identity.one_copy_damaged) return "";
    TRY(open_->keyring->write(name, identity.keys));
    ++identity.generation;
    return "one of its two copies in the store was damaged, and has been written again; check the disk";
}

void IdentityService::install(const std::string& name, StoredIdentity identity) {
    const auto note = mend(name, identity);
    RelayStatus status{.name = name,
                       .state = RelayState::installed,
                       .reason = note ? *note : "one of its two copies in the store is damaged: " + note.error().message,
                       .fingerprints = identity.keys.fingerprints,
                       .fingerprint = identity.keys.fingerprints.rsa_hex(),
                       .key_folder = {},
                       .generation = identity.generation,
                       .signing_key_expires = identity.keys.signing_key_expires,
                       .has_master_key = identity.keys.has_master_secret,
                       .family_ids = identity.keys.family_ids};
    if (const auto pinned = check_pin(name, identity.keys.fingerprints.rsa); !pinned) {
        status.state = RelayState::damaged;
        status.reason = pinned.error().message;
    } else if (auto folder = place_.install(name, identity.keys)) {
        status.key_folder = *std::move(folder);
    } else {
        status.state = RelayState::damaged;
        status.reason = "its keys are whole, but cannot be installed: " + folder.error().message;
    }
    relays_[name] = std::move(status);
}

}  // namespace lethe
