#include <algorithm>
#include <cctype>

#include "identityd/fingerprint.hpp"
#include "identityd/service.hpp"

namespace lethe {
namespace {

std::string text_of(const RosterEntry::Fingerprint& fingerprint) { return Fingerprints{fingerprint, {}}.rsa_hex(); }

// A relay that has lost its keys in another way than by forget.
bool is_listed(const Roster& roster, const std::string& name) {
    const auto entry = roster.find(name);
    return entry != roster.end() && entry->second.stage == RelayStage::created;
}

}  // namespace

Result<Keyring*> IdentityService::open_keyring() const {
    if (!open_) return fail(ErrorKind::wrong_state, "the vault is not open: {}", vault_.reason ? vault_.reason->message : "not tried yet");
    return open_->keyring.get();
}

Result<PolicyKeys> IdentityService::policy_keys() const {
    TRY(open_keyring());
    return keys_->policy_keys();
}

Result<VaultKeys> IdentityService::state_keys() const {
    TRY(open_keyring());
    return keys_->of_state();
}

Result<Roster> IdentityService::list_of_relays() const {
    auto roster = TRY(open_keyring())->roster();
    if (!roster) return in_context(roster.error(), "the list of relays");
    return roster;
}

Result<void> IdentityService::expect_installed(const std::string& name) const {
    const auto& status = relays_.at(name);
    if (status.state != RelayState::installed) return fail(ErrorKind::io, "{}", status.reason);
    return {};
}

// @param fingerprint  none: of keys that are yet to be made.
Result<void> IdentityService::check_pin(const std::string& name, const std::optional<RosterEntry::Fingerprint>& fingerprint) const {
    const auto pinned = pinned_.find(name);
    if (pinned == pinned_.end() || fingerprint == pinned->second) return {};
    return fail(ErrorKind::invalid_argument,
                "lethe.conf pins relay {} to {}{}. Bring the keys that belong to it, or change Fingerprint= in lethe.conf", name,
                text_of(pinned->second),
                fingerprint ? ", and these are the keys of " + text_of(*fingerprint) : ": no new keys are made for it");
}

// The list says `created` only once the identity has been read back, and keys reach tor only after that: what tor has used is never minted
// again.
Result<StoredIdentity> IdentityService::make_identity(Roster& roster, const std::string& name) {
    TRY(check_pin(name, std::nullopt));
    auto& keyring = *open_->keyring;
    const auto keys = TRY(place_.make());
    TRY(keyring.write(name, keys));
    auto identity = TRY(keyring.read(name));
    if (identity.keys.fingerprints != keys.fingerprints)
        return fail(ErrorKind::corrupt, "the store gives back another identity than was written");
    roster[name] = {RelayStage::created, keys.fingerprints.rsa};
    TRY(keyring.write_roster(roster));
    return identity;
}

Result<void> IdentityService::create_relay(const std::string& name) {
    const Settled settled(*this);
    TRY(check_relay_name(name));
    auto& keyring = *TRY(open_keyring());
    TRY(check_pin(name, std::nullopt));
    auto roster = TRY(list_of_relays());
    if (is_listed(roster, name) && !TRY(keyring.exists(name)))
        return fail(ErrorKind::already_exists, "identity {} already existed and is missing; put it back from a copy of the store", name);
    const auto present = keyring.read(name);
    const bool pending = roster.contains(name) && roster[name].stage == RelayStage::pending;
    if (TRY(keyring.exists(name)) && !(pending && !present && present.error().kind == ErrorKind::corrupt))
        return fail(ErrorKind::already_exists, "identity {} exists in the store; an identity is never overwritten", name);
    // Torn twice before they were whole: keys that no tor has seen.
    TRY(keyring.wipe(name));
    // Listed first: if power goes in the middle, the next boot makes the keys.
    if (!pending) {
        roster[name] = {};
        TRY(keyring.write_roster(roster));
    }
    report(name, RelayState::pending, "its keys are being made");
    auto made = make_identity(roster, name);
    if (!made) {
        relays_[name].reason = "its keys could not be made: " + made.error().message;
        return std::unexpected(made.error());
    }
    install(name, std::move(*made));
    return expect_installed(name);
}

Result<void> IdentityService::import_relay(const std::string& name, KeyFiles files, const std::optional<std::string>& replaces) {
    TRY(check_relay_name(name));
    TRY(open_keyring());
    return admit(name, TRY(parse_key_files(std::move(files), Scrutiny::whole)), replaces);
}

Result<void> IdentityService::admit(const std::string& name, KeySet keys, const std::optional<std::string>& replaces) {
    const Settled settled(*this);
    auto& keyring = *TRY(open_keyring());
    auto roster = TRY(list_of_relays());
    const auto& fingerprint = keys.fingerprints.rsa;
    TRY(check_pin(name, fingerprint));
    std::optional<RosterEntry::Fingerprint> former_fingerprint;
    if (replaces) former_fingerprint = TRY(parse_fingerprint(*replaces));
    for (const auto& [other, entry] : roster) {
        if (other != name && entry.fingerprint == fingerprint)
            return fail(ErrorKind::invalid_argument, "relay {} of this machine has this identity already; an identity runs once", other);
    }
    const bool exists = TRY(keyring.exists(name)) || is_listed(roster, name);
    auto& entry = roster[name];
    if (exists && !replaces)
        return fail(ErrorKind::already_exists, "relay {} has an identity, {}; to replace it, name that fingerprint with --replace", name,
                    entry.fingerprint ? text_of(*entry.fingerprint) : "of which nothing is known");
    if (former_fingerprint && (!exists || entry.fingerprint != former_fingerprint))
        return fail(ErrorKind::invalid_argument,
                    "relay {} does not have the identity {} that is to be replaced; see `lethectl identity list`", name,
                    text_of(*former_fingerprint));
    if (exists) entry.successor = fingerprint;
    else entry = {RelayStage::arriving, fingerprint};
    TRY(keyring.write_roster(roster));

    // A damaged identity is no reason to keep its slots: the person has named it, and what replaces it is here.
    if (exists) {
        const auto former = keyring.read(name);
        const bool unfit = !former && (former.error().kind == ErrorKind::corrupt || former.error().kind == ErrorKind::rollback);
        if (unfit) TRY(keyring.wipe(name));
        else if (!former && former.error().kind != ErrorKind::not_found) return std::unexpected(former.error());
    }
    if (auto written = keyring.write(name, keys); !written) {
        if (!exists) (void)finish_forgetting(roster, name);
        return written;
    }
    auto identity = TRY(keyring.read(name));
    if (identity.keys.fingerprints != keys.fingerprints)
        return fail(ErrorKind::corrupt, "the store gives back another identity than was written");
    if (exists) {
        TRY(keyring.write(name, keys));  // so that no copy of the former identity stays behind
        ++identity.generation;
    }
    entry = {RelayStage::created, fingerprint};
    TRY(keyring.write_roster(roster));
    if (exists) TRY(place_.remove(name));  // what is installed may be the same identity with another signing key
    install(name, std::move(identity));
    return expect_installed(name);
}

Result<void> IdentityService::forget_relay(const std::string& name, const std::string& fingerprint) {
    const Settled settled(*this);
    TRY(check_relay_name(name));
    auto& keyring = *TRY(open_keyring());
    auto roster = TRY(list_of_relays());
    auto entry = roster.find(name);
    const auto identity = keyring.read(name);
    if (entry == roster.end() && !TRY(keyring.exists(name))) return fail(ErrorKind::not_found, "there is no relay {}", name);
    if (entry == roster.end()) entry = roster.emplace(name, RosterEntry{RelayStage::created}).first;
    if (identity) entry->second.fingerprint = identity->keys.fingerprints.rsa;
    const auto& known = entry->second.fingerprint;
    if (!known && fingerprint != "none")
        return fail(ErrorKind::invalid_argument, "no fingerprint is known of {}: give \"none\" in its place to forget it", name);
    if (known && (fingerprint == "none" || TRY(parse_fingerprint(fingerprint)) != *known))
        return fail(ErrorKind::invalid_argument, "relay {} has another fingerprint than the one given; see `lethectl identity list`", name);
    entry->second.stage = RelayStage::forgotten;
    TRY(keyring.write_roster(roster));  // from here on it is gone: a cut is brought to its end at the next boot
    return finish_forgetting(roster, name);
}

Result<void> IdentityService::finish_forgetting(Roster& roster, const std::string& name) {
    TRY(place_.remove(name));
    TRY(open_->keyring->wipe(name));
    roster.erase(name);
    TRY(open_->keyring->write_roster(roster));
    relays_.erase(name);
    return {};
}

Result<void> IdentityService::set_recovery_key(const std::optional<RecoveryPublicKey>& key) {
    const Settled settled(*this);
    auto& keyring = *TRY(open_keyring());
    TRY(keyring.set_recovery_key(key));
    recovery_key_.reset();
    TRY(open_->anchor->settle());
    open_ = TRY(open());
    // What waits for the next opening of the vault is said by recovery_trouble(), and is no failure.
    if (recovery_trouble_ && recovery_trouble_->kind != ErrorKind::wrong_state) return std::unexpected(*recovery_trouble_);
    if (recovery_key_ != key) return fail(ErrorKind::corrupt, "the store gives back another recovery key than was written");
    return {};
}

Result<void> IdentityService::verify(const std::string& name) const {
    const auto relay = relays_.find(name);
    if (relay == relays_.end()) return fail(ErrorKind::not_found, "there is no relay {}", name);
    if (!open_) return fail(ErrorKind::wrong_state, "the vault is not open: {}", relay->second.reason);
    auto identity = TRY(open_->keyring->read(name));
    TRY(parse_key_files(std::move(identity.keys.files), Scrutiny::whole));
    if (relay->second.state != RelayState::installed)
        return fail(ErrorKind::wrong_state, "the identity is whole, but not installed: {}", relay->second.reason);
    const auto installed = TRY(place_.installed(name));
    if (manifest_of(identity.keys.fingerprints) != installed || identity.keys.fingerprints != relay->second.fingerprints) {
        return fail(ErrorKind::corrupt, "the store has {}, installed is {}", identity.keys.fingerprints.rsa_hex(), installed.fingerprint);
    }
    return {};
}

}  // namespace lethe
