#include "keyring/keyrings.hpp"

#include <ranges>

namespace lethe {

namespace {

const ObjectId recovery_id{ObjectKind::recovery, ""}, relays_id{ObjectKind::relays, ""};

ObjectId identity_of(const std::string& relay) { return {ObjectKind::identity, relay}; }

// On a disk: the objects `relays`, `recovery` and one `identity` for each relay.
class ObjectKeyring final : public Keyring {
public:
    ObjectKeyring(Store& store, const VaultKeys& key)
        : store_(store),
          relays_key_(key.kind_key(ObjectKind::relays)),
          identity_key_(key.kind_key(ObjectKind::identity)),
          recovery_key_(key.kind_key(ObjectKind::recovery)) {}

    Result<Roster> roster() const override {
        auto roster = read_roster(store_, relays_key_);
        if (!roster && roster.error().kind == ErrorKind::not_found) return Roster{};
        return roster;
    }
    Result<void> write_roster(const Roster& roster) override { return lethe::write_roster(store_, relays_key_, roster); }

    Result<StoredIdentity> read(const std::string& relay) const override {
        const auto version = TRY(store_.read(identity_key_, identity_of(relay)));
        return StoredIdentity{TRY(decode_identity(version.payload)), version.generation, version.other_slot_damaged};
    }
    Result<void> write(const std::string& relay, const KeySet& keys) override {
        TRY(store_.write(identity_key_, identity_of(relay), encode_identity(keys)));
        return {};
    }
    Result<void> wipe(const std::string& relay) override { return store_.erase(identity_of(relay)); }

    Result<bool> exists(const std::string& relay) const override { return store_.exists(identity_of(relay)); }
    Result<std::vector<std::string>> names() const override {
        return TRY(store_.list(ObjectKind::identity)) | std::views::transform(&ObjectId::name) | std::ranges::to<std::vector>();
    }

    Result<std::optional<RecoveryPublicKey>> recovery_key() const override {
        const auto version = store_.read(recovery_key_, recovery_id);
        if (!version && version.error().kind == ErrorKind::not_found) return std::nullopt;
        if (!version) return std::unexpected(version.error());
        return TRY(decode_recovery_setting(version->payload));
    }
    Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key) override {
        if (!key) return store_.erase(recovery_id);
        TRY(store_.write(recovery_key_, recovery_id, encode_recovery_setting(*key)));
        return {};
    }

    Result<std::vector<StoredPayload>> payloads(const std::optional<RecoveryPublicKey>& recovery) const override {
        std::vector<StoredPayload> payloads;
        const auto add = [&](const Secret& key, const ObjectId& id) -> Result<void> {
            payloads.emplace_back(id, TRY(store_.read(key, id)).payload);
            return {};
        };
        if (TRY(store_.exists(relays_id))) TRY(add(relays_key_, relays_id));
        for (const ObjectId& id : TRY(store_.list(ObjectKind::identity))) TRY(add(identity_key_, id));
        if (recovery) payloads.emplace_back(recovery_id, encode_recovery_setting(*recovery));
        return payloads;
    }

private:
    Store& store_;
    Secret relays_key_, identity_key_, recovery_key_;
};

}  // namespace

std::unique_ptr<Keyring> object_keyring(Store& store, const VaultKeys& key) { return std::make_unique<ObjectKeyring>(store, key); }

}  // namespace lethe
