// A slot of snapshots: as it is, behind a directory that says what it likes, and one that is written and then damaged.

#include "fuzz.hpp"
#include "vault/snapshot_container.hpp"

using namespace lethe;
using fuzz::require;

static const Secret& key() {
    static const Secret zeros(32);
    return zeros;
}

static void open_all(const SnapshotDirectory& directory, OctetView slot) {
    for (const auto& [relay, part] : directory.parts) {
        require(check_relay_name(relay).has_value(), "a listed name is a relay's");
        fuzz::parsed(open_snapshot_part(key(), directory, relay, slot));
    }
}

static void lay_behind(OctetView directory, OctetView parts) {
    fuzz::parsed(decode_snapshot_parts(Secret::copy_of(directory), 0));
    Octets slot = encrypt_object(key(), {ObjectKind::state, ""}, 7, Secret::copy_of(directory));
    slot.insert(slot.end(), parts.begin(), parts.end());
    const auto opened = open_snapshot_directory(key(), slot);
    if (fuzz::parsed(opened)) open_all(*opened, slot);
}

static void damage_one(const RelayStates& states, std::size_t place, std::uint8_t change) {
    const auto encoded = encode_snapshot(key(), 7, states);
    if (!fuzz::parsed(encoded, {ErrorKind::invalid_argument})) return;
    const auto whole = open_snapshot_directory(key(), *encoded);
    require(whole && whole->generation == 7 && whole->parts.size() == states.size(), "what is written is listed");
    Octets slot = *encoded;
    slot[place % slot.size()] ^= change;
    const auto directory = open_snapshot_directory(key(), slot);
    if (!fuzz::parsed(directory)) return;
    require(*directory == *whole, "a directory that opens is the one that was written");
    std::size_t lost = 0;
    for (const auto& [relay, state] : states) {
        const auto opened = open_snapshot_part(key(), *directory, relay, slot);
        require(!opened || *opened == state, "a state that opens is the one that was written");
        lost += fuzz::parsed(opened) ? 0 : 1;
    }
    require(lost <= (change == 0 ? 0 : 1), "a changed octet costs one relay at most");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto directory = open_snapshot_directory(key(), {data, size});
    if (fuzz::parsed(directory)) open_all(*directory, {data, size});
    fuzz::Input input(data, size);
    const std::size_t place = input.number(2);
    const std::uint8_t change = input.u8();
    const OctetView listed = input.part();
    lay_behind(listed, input.part());
    RelayStates states;
    while (!input.empty() && states.size() < 20) {
        const std::string relay(input.text());
        states.insert_or_assign(relay, Secret::copy_of(input.part()));
    }
    damage_one(states, place, change);
    return 0;
}
