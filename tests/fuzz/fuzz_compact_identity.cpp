// A relay's keys in the fewest octets. The input is a family key, and the keys.

#include "fuzz.hpp"
#include "tor/compact_identity.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::string family(input.text());
    std::map<std::string, OctetView> families;
    if (const OctetView key = input.part(); !family.empty()) families.emplace(family, key);
    const OctetView octets = input.rest();
    const auto keys = from_compact(octets, families);
    if (!fuzz::parsed(keys)) return 0;
    // Where both forms of the RSA exponent are the same number, either flag says it: it is the keys that come back, not the octets.
    const CompactKeys compact = to_compact(*keys);
    std::map<std::string, OctetView> again;
    for (const auto& [name, key] : compact.families) again.emplace(name, key.expose());
    const auto back = from_compact(compact.keys.expose(), again);
    require(back && back->files == keys->files && back->fingerprints == keys->fingerprints,
            "a compact identity that is read can be written");
    return 0;
}
