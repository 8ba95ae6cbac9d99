// The payload of a sealed identity.

#include "fuzz.hpp"
#include "tor/key_set.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Secret payload = Secret::copy_of({data, size});
    const auto keys = decode_identity(payload);
    if (!fuzz::parsed(keys)) return 0;
    // Older versions are read as well, so it is the identity that comes back, not its octets.
    const auto again = decode_identity(encode_identity(*keys));
    fuzz::require(again && again->files == keys->files && again->fingerprints == keys->fingerprints,
                  "an identity that is read can be written");
    return 0;
}
