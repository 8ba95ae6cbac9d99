// The payload of a snapshot.

#include <algorithm>

#include "fuzz.hpp"
#include "tor/state_payload.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const OctetView octets(data, size);
    const auto snapshot = decode_state_payload(Secret::copy_of(octets), 1 << 20);
    if (!fuzz::parsed(snapshot)) return 0;
    fuzz::require(std::ranges::equal(encode_state_payload(*snapshot).expose(), octets), "one snapshot has one encoding");
    return 0;
}
