// A slot of an encrypted object: as it is, and as the payload of an object that is encrypted and then damaged.

#include "fuzz.hpp"
#include "vault/object.hpp"

using namespace lethe;
using fuzz::require;

static const ObjectId id{ObjectKind::identity, "alice"}, other{ObjectKind::identity, "bob"};

static void damage_one(const Secret& key, OctetView payload, std::size_t place, std::uint8_t change) {
    const Secret secret = Secret::copy_of(payload);
    Octets slot = encrypt_object(key, id, 7, secret);
    const auto whole = decrypt_object(key, id, slot);
    require(whole && whole->generation == 7 && whole->payload == secret, "what is encrypted comes back");
    require(!fuzz::parsed(decrypt_object(key, other, slot)), "an object opens under its own name alone");
    slot[place % slot.size()] ^= change;
    require(fuzz::parsed(decrypt_object(key, id, slot)) == (change == 0), "a changed octet is noticed");
    slot[place % slot.size()] ^= change;
    slot.resize(place % slot.size());
    require(!fuzz::parsed(decrypt_object(key, id, slot)), "an object that is cut is noticed");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Secret key(32);
    require(!fuzz::parsed(decrypt_object(key, other, {data, size})), "nobody makes an object without its key");
    fuzz::parsed(decrypt_object(key, id, {data, size}));
    fuzz::Input input(data, size);
    const std::size_t place = input.number(2);
    const std::uint8_t change = input.u8();
    damage_one(key, input.rest(), place, change);
    return 0;
}
