#include <algorithm>

#include "keyring/compact_ring.hpp"
#include "keyring/keyrings.hpp"
#include "tor/compact_identity.hpp"

namespace lethe {

namespace {

const ObjectId keyring_id{ObjectKind::keyring, ""};
constexpr std::size_t relay_limit_count = 64;

Result<KeySet> keys_of(const CompactRing& ring, const CompactRing::Relay& relay) {
    std::map<std::string, OctetView> families;
    for (const auto& name : relay.families) families[name] = ring.families.at(name).expose();
    return from_compact(relay.keys.expose(), families);
}

// In the TPM: the object `keyring`, read and written as a whole.
class CompactKeyring final : public Keyring {
public:
    CompactKeyring(Store& store, const VaultKeys& key) : store_(store), key_(key.kind_key(ObjectKind::keyring)) {}

    Result<Roster> roster() const override {
        const auto ring = TRY(load()).ring;
        Roster roster;
        for (const auto& [name, relay] : ring.relays) {
            auto entry = relay.entry;
            if (!relay.keys.empty()) {
                if (const auto keys = keys_of(ring, relay)) entry.fingerprint = keys->fingerprints.rsa;
            }
            roster.emplace(name, entry);
        }
        return roster;
    }
    Result<void> write_roster(const Roster& roster) override {
        auto ring = TRY(load()).ring;
        std::erase_if(ring.relays, [&](const auto& relay) { return !roster.contains(relay.first); });
        for (const auto& [name, entry] : roster) ring.relays[name].entry = entry;
        return save(ring);
    }

    Result<StoredIdentity> read(const std::string& relay) const override {
        const auto [ring, generation, damaged] = TRY(load());
        const auto found = ring.relays.find(relay);
        if (found == ring.relays.end() || found->second.keys.empty())
            return fail(ErrorKind::not_found, "the keys of {} are not in {}", relay, store_.place());
        return StoredIdentity{TRY(keys_of(ring, found->second)), generation, damaged};
    }
    Result<void> write(const std::string& relay, const KeySet& keys) override {
        auto ring = TRY(load()).ring;
        auto compact = to_compact(keys);
        auto& place = ring.relays[relay];
        place.keys = std::move(compact.keys);
        place.families.clear();
        drop_unused_families(ring);
        for (auto& [name, key] : compact.families) {
            const auto [present, is_new] = ring.families.try_emplace(name, std::move(key));
            if (!is_new && present->second != key)
                return fail(ErrorKind::invalid_argument, "another family key is named {} already: name this one otherwise", name);
            place.families.push_back(name);
        }
        return save(ring);
    }
    Result<void> wipe(const std::string& relay) override {
        auto ring = TRY(load()).ring;
        if (const auto found = ring.relays.find(relay); found != ring.relays.end()) {
            // The list has the fingerprint from the keys as long as they are there.
            if (const auto keys = keys_of(ring, found->second)) found->second.entry.fingerprint = keys->fingerprints.rsa;
            found->second.keys = {};
            found->second.families.clear();
        }
        TRY(save(ring));
        return save(ring);  // the other copy has the keys as well
    }

    Result<bool> exists(const std::string& relay) const override {
        const auto ring = TRY(load()).ring;
        const auto found = ring.relays.find(relay);
        return found != ring.relays.end() && !found->second.keys.empty();
    }
    Result<std::vector<std::string>> names() const override {
        const auto ring = TRY(load()).ring;
        std::vector<std::string> names;
        for (const auto& [name, relay] : ring.relays) {
            if (!relay.keys.empty()) names.push_back(name);
        }
        return names;
    }

    Result<std::optional<RecoveryPublicKey>> recovery_key() const override { return TRY(load()).ring.recovery_key; }
    Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key) override {
        auto ring = TRY(load()).ring;
        ring.recovery_key = key;
        return save(ring);
    }

    Result<std::vector<StoredPayload>> payloads(const std::optional<RecoveryPublicKey>& recovery) const override {
        auto ring = TRY(load()).ring;
        ring.recovery_key = recovery;
        std::vector<StoredPayload> payloads;
        payloads.emplace_back(keyring_id, encode_ring(ring));
        return payloads;
    }

private:
    struct Loaded {
        CompactRing ring;
        std::uint64_t generation = 0;
        bool one_copy_damaged = false;
    };

    Result<Loaded> load() const {
        const auto version = store_.read(key_, keyring_id);
        if (!version && version.error().kind == ErrorKind::not_found) return Loaded{};
        if (!version) return std::unexpected(version.error());
        return Loaded{TRY(decode_ring(version->payload)), version->generation, version->other_slot_damaged};
    }
    static void drop_unused_families(CompactRing& ring) {
        std::erase_if(ring.families, [&](const auto& family) {
            return std::ranges::none_of(ring.relays,
                                        [&](const auto& relay) { return std::ranges::contains(relay.second.families, family.first); });
        });
    }
    Result<void> save(CompactRing& ring) {
        drop_unused_families(ring);
        if (ring.relays.size() > relay_limit_count || ring.families.size() > relay_limit_count)
            return fail(ErrorKind::invalid_argument, "{} relays are more than {} that a TPM is asked to hold", ring.relays.size(),
                        relay_limit_count);
        TRY(store_.write(key_, keyring_id, encode_ring(ring)));
        return {};
    }

    Store& store_;
    Secret key_;
};

}  // namespace

std::unique_ptr<Keyring> compact_keyring(Store& store, const VaultKeys& key) { return std::make_unique<CompactKeyring>(store, key); }

}  // namespace lethe
