#include "vault/snapshot_container.hpp"

namespace lethe {

namespace {

constexpr std::uint16_t directory_version = 1;
const ObjectId directory_id{ObjectKind::state, ""};

ObjectId part_id(const std::string& relay) { return {ObjectKind::state, relay}; }

std::unexpected<Error> impossible() { return fail(ErrorKind::corrupt, "the directory of the snapshot holds an entry that cannot be"); }

}  // namespace

Result<void> check_relay_states(const RelayStates& relays) {
    for (const auto& [relay, state] : relays) {
        TRY(check_relay_name(relay));
        if (state.size() > payload_limit_octets)
            return fail(ErrorKind::invalid_argument, "the state of {} has {} octets, and a snapshot takes {}", relay, state.size(),
                        payload_limit_octets);
    }
    if (relays.size() > UINT16_MAX) return fail(ErrorKind::invalid_argument, "{} relays are more than a snapshot takes", relays.size());
    return {};
}

Result<Octets> encode_snapshot(const Secret& key, std::uint64_t generation, const RelayStates& relays) {
    TRY(check_relay_states(relays));
    OctetWriter directory;
    directory.u16(directory_version).u16(static_cast<std::uint16_t>(relays.size()));
    Octets parts;
    for (const auto& [relay, state] : relays) {
        const Octets part = encrypt_object(key, part_id(relay), generation, state);
        directory.sized16(as_octets(relay)).u32(static_cast<std::uint32_t>(part.size()));
        parts.insert(parts.end(), part.begin(), part.end());
        if (parts.size() > slot_limit_octets) break;
    }
    Octets slot = encrypt_object(key, directory_id, generation, Secret::copy_of(directory.octets()));
    if (slot.size() + parts.size() > slot_limit_octets)
        return fail(ErrorKind::invalid_argument, "the state of all relays comes to more than the {} octets that a snapshot has",
                    slot_limit_octets);
    slot.insert(slot.end(), parts.begin(), parts.end());
    return slot;
}

Result<std::map<std::string, SnapshotPart>> decode_snapshot_parts(const Secret& payload, std::size_t offset) {
    OctetReader reader(payload.expose());
    if (const auto version = TRY(reader.u16()); version != directory_version)
        return fail(ErrorKind::corrupt, "snapshot version {} is not known to this release", version);
    const auto count = TRY(reader.u16());
    std::map<std::string, SnapshotPart> parts;
    for (unsigned i = 0; i < count; ++i) {
        const std::string relay(as_text(TRY(reader.sized16())));
        const std::size_t octets = TRY(reader.u32());
        if (!check_relay_name(relay) || octets > slot_limit_octets || !parts.emplace(relay, SnapshotPart{offset, octets}).second)
            return impossible();
        offset += octets;
    }
    TRY(reader.end());
    return parts;
}

Result<SnapshotDirectory> open_snapshot_directory(const Secret& key, OctetView slot) {
    const ObjectVersion version = TRY(decrypt_object(key, directory_id, slot));
    return SnapshotDirectory{version.generation, TRY(decode_snapshot_parts(version.payload, object_octets(slot)))};
}

Result<Secret> open_snapshot_part(const Secret& key, const SnapshotDirectory& directory, const std::string& relay, OctetView slot) {
    const SnapshotPart& part = directory.parts.at(relay);
    if (part.offset > slot.size() || part.octets > slot.size() - part.offset) return fail(ErrorKind::corrupt, "cut off");
    ObjectVersion version = TRY(decrypt_object(key, part_id(relay), slot.subspan(part.offset, part.octets)));
    if (version.generation != directory.generation)
        return fail(ErrorKind::corrupt, "it belongs to snapshot {} and lies in {}", version.generation, directory.generation);
    return std::move(version.payload);
}

}  // namespace lethe
