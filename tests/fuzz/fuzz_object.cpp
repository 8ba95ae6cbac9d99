// A slot of a public object: as it is, and as the payload of an object that is framed and then damaged.

#include <algorithm>

#include "fuzz.hpp"
#include "vault/object.hpp"

using namespace lethe;
using fuzz::require;

static const ObjectId id{ObjectKind::policy, ""};

static void damage_one(OctetView payload, std::size_t place, std::uint8_t change) {
    Octets slot = frame_object(id, 7, payload);
    const auto whole = unframe_object(id, slot);
    require(whole && whole->generation == 7 && std::ranges::equal(whole->payload.expose(), payload), "what is framed comes back");
    slot[place % slot.size()] ^= change;
    require(fuzz::parsed(unframe_object(id, slot)) == (change == 0), "a changed octet is noticed");
    slot[place % slot.size()] ^= change;
    slot.resize(place % slot.size());
    require(!fuzz::parsed(unframe_object(id, slot)), "an object that is cut is noticed");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto version = unframe_object(id, {data, size});
    if (fuzz::parsed(version)) require(version->payload.size() <= payload_limit_octets, "a payload keeps to its limit");
    fuzz::Input input(data, size);
    const std::size_t place = input.number(2);
    const std::uint8_t change = input.u8();
    damage_one(input.rest(), place, change);
    return 0;
}
