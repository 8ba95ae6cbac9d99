#include "identityd/service.hpp"

#include <ranges>

#include "pcrlock/policy_file.hpp"

namespace lethe {
namespace {

ObjectId identity_of(const std::string& relay) { return {ObjectKind::identity, relay}; }

}  // namespace

std::string_view name_of(VaultState state) {
    switch (state) {
        case VaultState::open:
            return "open";
        case VaultState::shut:
            return "shut";
        case VaultState::not_enrolled:
            return "not-enrolled";
    }
    std::unreachable();
}

std::string_view name_of(RelayState state) {
    switch (state) {
        case RelayState::installed:
            return "installed";
        case RelayState::damaged:
            return "damaged";
        case RelayState::pending:
            return "pending";
        case RelayState::shut:
            return "shut";
        case RelayState::unlisted:
            return "unlisted";
    }
    std::unreachable();
}

// The vault key lives in this function alone.
Result<IdentityService::Open> IdentityService::open() {
    auto store = TRY(Store::open(store_path_));
    if (!TRY(store.exists({ObjectKind::vault, ""}))) {
        vault_.state = VaultState::not_enrolled;
        return fail(ErrorKind::wrong_state, "this machine is not enrolled; run `lethectl enroll` as root");
    }
    const auto files = TRY(read_policy_files(store));
    const auto policies = files | std::views::transform(&PolicyFile::policy) | std::ranges::to<std::vector>();
    const auto tpm = TRY(open_tpm_());
    const auto key = TRY(open_vault(*tpm, store, policies));
    return Open{std::move(store), key.kind_key(ObjectKind::identity), key.kind_key(ObjectKind::relays)};
}

void IdentityService::restore() {
    open_.reset();
    relays_.clear();
    vault_ = {VaultState::shut, std::nullopt};
    if (auto opened = open()) {
        open_ = std::move(*opened);
        vault_.state = VaultState::open;
        auto roster = read_roster(open_->store, open_->relays_key);
        // A machine that was enrolled without relays has an empty list or none; whatever lies there is unlisted then.
        if (!roster && roster.error().kind == ErrorKind::not_found) roster = Roster{};
        if (roster) {
            const auto names = *roster | std::views::keys | std::ranges::to<std::vector>();
            for (const auto& name : names) restore_relay(*roster, name);
            report_stored(RelayState::unlisted,
                          "it is not in the list of this machine's relays; another machine's store, or one put back from earlier");
        } else {
            report_stored(RelayState::damaged, "the list of relays: " + roster.error().message);
        }
    } else {
        vault_.reason = opened.error();
        report_stored(RelayState::shut, opened.error().message);
    }
    const auto is_installed = [](const auto& relay) { return relay.second.state == RelayState::installed; };
    const auto admitted = relays_ | std::views::filter(is_installed) | std::views::keys | std::ranges::to<std::set>();
    if (const auto withdrawn = place_.withdraw_others(admitted); !withdrawn) {
        for (auto& [name, relay] : relays_) {
            if (!is_installed(std::pair{name, relay})) relay.reason += "; and an earlier manifest stays: " + withdrawn.error().message;
        }
    }
}

void IdentityService::report(const std::string& name, RelayState state, std::string reason) {
    relays_[name] = {};
    relays_[name].name = name;
    relays_[name].state = state;
    relays_[name].reason = std::move(reason);
}

// Reports every relay with an identity in the store about which nothing is known yet. File names are public, so this works with a shut
// vault.
void IdentityService::report_stored(RelayState state, const std::string& reason) {
    const auto store = Store::open(store_path_);
    if (!store) return;
    const auto ids = store->list(ObjectKind::identity);
    if (!ids) return;
    for (const auto& id : *ids) {
        if (!relays_.contains(id.name)) report(id.name, state, reason);
    }
}

void IdentityService::restore_relay(Roster& roster, const std::string& name) {
    const bool pending = roster[name].stage == RelayStage::pending;
    auto identity = read_identity(*open_, name);
    if (pending && !identity && (identity.error().kind == ErrorKind::not_found || identity.error().kind == ErrorKind::corrupt)) {
        // Keys of a pending relay have never reached tor: what a power cut left of their first write is worth nothing. The new ones go
        // into the other slot.
        auto made = make_identity(*open_, roster, name);
        if (!made) return report(name, RelayState::pending, "its keys could not be made: " + made.error().message);
        return install(name, std::move(*made));
    }
    if (!identity) {
        return report(name, RelayState::damaged,
                      std::format("{}; put identity-{}.a or .b back from a copy of the store. No new keys are made in its place",
                                  identity.error().message, name));
    }
    if (pending) {
        // Power went between the write of the identity and that of the list: these are its keys.
        roster[name] = {RelayStage::created, identity->keys.fingerprints.rsa};
        if (const auto written = write_roster(open_->store, open_->relays_key, roster); !written)
            return report(name, RelayState::pending, "the list of relays: " + written.error().message);
    }
    install(name, std::move(*identity));
}

Result<IdentityService::Identity> IdentityService::read_identity(const Open& vault, const std::string& name) const {
    const auto version = TRY(vault.store.read(vault.identity_key, identity_of(name)));
    return Identity{TRY(decode_identity(version.payload)), version.generation, version.other_slot_damaged};
}

// Two slots are there to survive one damage; so the damaged one is written again while the other is whole.
Result<std::string> IdentityService::mend(const std::string& name, Identity& identity) {
    if (!identity.one_slot_damaged) return "";
    identity.generation = TRY(open_->store.write(open_->identity_key, identity_of(name), encode_identity(identity.keys)));
    return "one of its two copies in the store was damaged, and has been written again; check the disk";
}

// The list says `created` only once the identity has been read back, and keys reach tor only after that: what tor has used is never minted
// again.
Result<IdentityService::Identity> IdentityService::make_identity(Open& vault, Roster& roster, const std::string& name) {
    const auto keys = TRY(place_.make());
    TRY(vault.store.write(vault.identity_key, identity_of(name), encode_identity(keys)));
    auto identity = TRY(read_identity(vault, name));
    if (identity.keys.fingerprints != keys.fingerprints)
        return fail(ErrorKind::corrupt, "the store gives back another identity than was written");
    roster[name] = {RelayStage::created, keys.fingerprints.rsa};
    TRY(write_roster(vault.store, vault.relays_key, roster));
    return identity;
}

void IdentityService::install(const std::string& name, Identity identity) {
    const auto note = mend(name, identity);
    RelayStatus status{.name = name,
                       .state = RelayState::installed,
                       .reason = note ? *note : "one of its two copies in the store is damaged: " + note.error().message,
                       .fingerprints = identity.keys.fingerprints,
                       .key_folder = {},
                       .generation = identity.generation,
                       .signing_key_expires = identity.keys.signing_key_expires};
    if (auto folder = place_.install(name, identity.keys)) {
        status.key_folder = *std::move(folder);
    } else {
        status.state = RelayState::damaged;
        status.reason = "its keys are whole, but cannot be installed: " + folder.error().message;
    }
    relays_[name] = std::move(status);
}

Result<void> IdentityService::create_relay(const std::string& name) {
    TRY(check_relay_name(name));
    if (!open_) return fail(ErrorKind::wrong_state, "the vault is not open: {}", vault_.reason ? vault_.reason->message : "not tried yet");
    auto roster = read_roster(open_->store, open_->relays_key);
    if (!roster && roster.error().kind == ErrorKind::not_found) roster = Roster{};
    if (!roster) return in_context(roster.error(), "the list of relays");
    if (TRY(open_->store.exists(identity_of(name))))
        return fail(ErrorKind::already_exists, "identity {} exists in the store; an identity is never overwritten", name);
    if (const auto entry = roster->find(name); entry != roster->end() && entry->second.stage == RelayStage::created)
        return fail(ErrorKind::already_exists, "identity {} already existed and is missing; put it back from a copy of the store", name);
    // Listed first: if power goes in the middle, the next boot makes the keys.
    (*roster)[name] = {};
    TRY(write_roster(open_->store, open_->relays_key, *roster));
    report(name, RelayState::pending, "its keys are being made");
    auto made = make_identity(*open_, *roster, name);
    if (!made) {
        relays_[name].reason = "its keys could not be made: " + made.error().message;
        return std::unexpected(made.error());
    }
    install(name, std::move(*made));
    if (const auto& status = relays_[name]; status.state != RelayState::installed) return fail(ErrorKind::io, "{}", status.reason);
    return {};
}

Result<void> IdentityService::verify(const std::string& name) const {
    const auto relay = relays_.find(name);
    if (relay == relays_.end()) return fail(ErrorKind::not_found, "there is no relay {}", name);
    if (!open_) return fail(ErrorKind::wrong_state, "the vault is not open: {}", relay->second.reason);
    const auto identity = TRY(read_identity(*open_, name));
    if (relay->second.state != RelayState::installed)
        return fail(ErrorKind::wrong_state, "the identity is whole, but not installed: {}", relay->second.reason);
    const auto installed = TRY(place_.installed(name));
    if (manifest_of(identity.keys.fingerprints) != installed || identity.keys.fingerprints != relay->second.fingerprints) {
        return fail(ErrorKind::corrupt, "the store has {}, installed is {}", identity.keys.fingerprints.rsa_hex(), installed.fingerprint);
    }
    return {};
}

}  // namespace lethe
