#include "keyring/compact_ring.hpp"

#include <algorithm>

#include "base/secret_writer.hpp"

namespace lethe {

namespace {

constexpr std::size_t family_key_octets = 64, recovery_key_octets = 32;

enum Holds : std::uint8_t { holds_fingerprint = 1, holds_successor = 2, holds_keys = 4 };

std::unexpected<Error> impossible() { return fail(ErrorKind::corrupt, "the keyring holds an entry that cannot be"); }

std::size_t capacity_for(const CompactRing& ring) {
    std::size_t octets = 64;
    for (const auto& [name, key] : ring.families) octets += 2 + name.size() + key.size();
    for (const auto& [name, relay] : ring.relays) octets += 64 + name.size() + relay.keys.size() + relay.families.size();
    return octets;
}

void put_relay(SecretWriter& writer, const CompactRing& ring, const CompactRing::Relay& relay) {
    const auto& [entry, keys, families] = relay;
    // The keys themselves have the fingerprint.
    const bool apart = entry.fingerprint && keys.empty();
    writer.u8(static_cast<std::size_t>(entry.stage));
    writer.u8((apart ? unsigned{holds_fingerprint} : 0u) | (entry.successor ? unsigned{holds_successor} : 0u) |
              (keys.empty() ? 0u : unsigned{holds_keys}));
    if (apart) writer.raw(*entry.fingerprint);
    if (entry.successor) writer.raw(*entry.successor);
    if (keys.empty()) return;
    writer.sized16(keys.expose()).u8(families.size());
    for (const auto& family : families)
        writer.u8(static_cast<std::size_t>(std::distance(ring.families.begin(), ring.families.find(family))));
}

Result<std::string> take_name(OctetReader& reader) { return std::string(as_text(TRY(reader.take(TRY(reader.u8()))))); }

Result<RosterEntry::Fingerprint> take_fingerprint(OctetReader& reader) {
    RosterEntry::Fingerprint fingerprint;
    std::ranges::copy(TRY(reader.take(fingerprint.size())), fingerprint.begin());
    return fingerprint;
}

Result<CompactRing::Relay> take_relay(OctetReader& reader, const std::vector<std::string>& families) {
    const auto stage = TRY(reader.u8()), holds = TRY(reader.u8());
    if (stage > static_cast<std::uint8_t>(last_stage) || holds > (holds_fingerprint | holds_successor | holds_keys)) return impossible();
    CompactRing::Relay relay{.entry = {RelayStage{stage}}, .keys = {}, .families = {}};
    if (holds & holds_fingerprint) relay.entry.fingerprint = TRY(take_fingerprint(reader));
    if (holds & holds_successor) relay.entry.successor = TRY(take_fingerprint(reader));
    if (!(holds & holds_keys)) return relay;
    relay.keys = Secret::copy_of(TRY(reader.sized16()));
    for (unsigned left = TRY(reader.u8()); left > 0; --left) {
        const auto index = TRY(reader.u8());
        if (index >= families.size()) return impossible();
        relay.families.push_back(families[index]);
    }
    return relay;
}

}  // namespace

Secret encode_ring(const CompactRing& ring) {
    SecretWriter writer(capacity_for(ring));
    writer.u8(ring.stamp ? stamped_keyring_version : unstamped_keyring_version);
    if (ring.stamp) writer.u32(encode_stamp(*ring.stamp));
    writer.u8(ring.recovery_key ? 1 : 0);
    if (ring.recovery_key) writer.raw(ring.recovery_key->octets());
    writer.u8(ring.families.size());
    for (const auto& [name, key] : ring.families) writer.sized8(as_octets(name)).raw(key.expose());
    writer.u8(ring.relays.size());
    for (const auto& [name, relay] : ring.relays) {
        writer.sized8(as_octets(name));
        put_relay(writer, ring, relay);
    }
    return writer.take();
}

Result<CompactRing> decode_ring(const Secret& payload) {
    OctetReader reader(payload.expose());
    const auto version = TRY(reader.u8());
    if (version != unstamped_keyring_version && version != stamped_keyring_version)
        return fail(ErrorKind::corrupt, "keyring version {} is not known to this release", version);
    CompactRing ring;
    if (version == stamped_keyring_version) ring.stamp = decode_stamp(TRY(reader.u32()));
    const auto has_recovery_key = TRY(reader.u8());
    if (has_recovery_key > 1) return impossible();
    if (has_recovery_key) {
        const auto key = RecoveryPublicKey::from(TRY(reader.take(recovery_key_octets)));
        if (!key) return impossible();
        ring.recovery_key = *key;
    }
    std::vector<std::string> families;
    for (unsigned left = TRY(reader.u8()); left > 0; --left) {
        families.push_back(TRY(take_name(reader)));
        if (!ring.families.emplace(families.back(), Secret::copy_of(TRY(reader.take(family_key_octets)))).second) return impossible();
    }
    if (!std::ranges::is_sorted(families)) return impossible();
    for (unsigned left = TRY(reader.u8()); left > 0; --left) {
        const auto name = TRY(take_name(reader));
        if (!check_relay_name(name) || !ring.relays.emplace(name, TRY(take_relay(reader, families))).second) return impossible();
    }
    TRY(reader.end());
    return ring;
}

}  // namespace lethe
