#include "vault/roster.hpp"

namespace lethe {

namespace {

constexpr std::uint16_t roster_version = 1;
const ObjectId roster_id{ObjectKind::relays, ""};

}  // namespace

Secret encode_roster(const Roster& roster) {
    OctetWriter writer;
    writer.u16(roster_version).u16(static_cast<std::uint16_t>(roster.size()));
    for (const auto& [name, stage] : roster) writer.sized16(as_octets(name)).u8(static_cast<std::uint8_t>(stage));
    return Secret::copy_of(writer.octets());
}

Result<Roster> decode_roster(const Secret& payload) {
    OctetReader reader(payload.expose());
    if (const auto version = TRY(reader.u16()); version != roster_version)
        return fail(ErrorKind::corrupt, "relay list version {} is not known to this release", version);
    const auto count = TRY(reader.u16());
    Roster roster;
    for (unsigned i = 0; i < count; ++i) {
        const std::string name(as_text(TRY(reader.sized16())));
        const auto stage = TRY(reader.u8());
        if (!check_relay_name(name) || stage > static_cast<std::uint8_t>(RelayStage::created) ||
            !roster.emplace(name, RelayStage{stage}).second)
            return fail(ErrorKind::corrupt, "the relay list holds an entry that cannot be");
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
