#include "vault/roster.hpp"

#include <algorithm>

namespace lethe {

namespace {

constexpr std::uint16_t roster_version = 2;
const ObjectId roster_id{ObjectKind::relays, ""};

enum Holds : std::uint8_t { holds_fingerprint = 1, holds_successor = 2 };

std::unexpected<Error> impossible() { return fail(ErrorKind::corrupt, "the relay list holds an entry that cannot be"); }

Result<RosterEntry::Fingerprint> take_fingerprint(OctetReader& reader) {
    RosterEntry::Fingerprint fingerprint;
    std::ranges::copy(TRY(reader.take(fingerprint.size())), fingerprint.begin());
    return fingerprint;
}

Result<RosterEntry> take_entry(OctetReader& reader, std::uint16_t version) {
    const auto stage = TRY(reader.u8());
    const auto last = version == 1 ? RelayStage::created : last_stage;
    if (stage > static_cast<std::uint8_t>(last)) return impossible();
    RosterEntry entry{RelayStage{stage}};
    if (version == 1) return entry;
    const auto holds = TRY(reader.u8());
    if (holds > (holds_fingerprint | holds_successor)) return impossible();
    if (holds & holds_fingerprint) entry.fingerprint = TRY(take_fingerprint(reader));
    if (holds & holds_successor) entry.successor = TRY(take_fingerprint(reader));
    return entry;
}

}  // namespace

Secret encode_roster(const Roster& roster) {
    OctetWriter writer;
    writer.u16(roster_version).u16(static_cast<std::uint16_t>(roster.size()));
    for (const auto& [name, entry] : roster) {
        writer.sized16(as_octets(name)).u8(static_cast<std::uint8_t>(entry.stage));
        writer.u8(static_cast<std::uint8_t>((entry.fingerprint ? holds_fingerprint : 0) | (entry.successor ? holds_successor : 0)));
        if (entry.fingerprint) writer.raw(*entry.fingerprint);
        if (entry.successor) writer.raw(*entry.successor);
    }
    return Secret::copy_of(writer.octets());
}

Result<Roster> decode_roster(const Secret& payload) {
    OctetReader reader(payload.expose());
    const auto version = TRY(reader.u16());
    if (version == 0 || version > roster_version)
        return fail(ErrorKind::corrupt, "relay list version {} is not known to this release", version);
    const auto count = TRY(reader.u16());
    Roster roster;
    for (unsigned i = 0; i < count; ++i) {
        const std::string name(as_text(TRY(reader.sized16())));
        const auto entry = TRY(take_entry(reader, version));
        if (!check_relay_name(name) || !roster.emplace(name, entry).second) return impossible();
    }
    TRY(reader.end());
    return roster;
}

Result<Roster> read_roster(const Store& store, const Secret& key) { return decode_roster(TRY(store.read(key, roster_id)).payload); }

Result<void> write_roster(Store& store, const Secret& key, const Roster& roster) {
    TRY(store.write(key, roster_id, encode_roster(roster)));
    return {};
}

}  // namespace lethe
