// Everything of a keyring in one object, as the TPM holds it.

#include "fuzz.hpp"
#include "keyring/compact_ring.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Secret payload = Secret::copy_of({data, size});
    const auto ring = decode_ring(payload);
    if (!fuzz::parsed(ring)) return 0;
    for (const auto& [name, relay] : ring->relays) fuzz::require(check_relay_name(name).has_value(), "a listed name is a relay's");
    const auto again = decode_ring(encode_ring(*ring));
    fuzz::require(again && encode_ring(*again) == encode_ring(*ring) && again->relays.size() == ring->relays.size(),
                  "a ring that is read can be written");
    return 0;
}
