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
    const CompactKeys again = to_compact(*keys);
    require(again.families.size() == families.size(), "no family is lost");
    const auto twice = from_compact(again.keys.expose(), families);
    require(twice && twice->fingerprints == keys->fingerprints, "the compact form of keys gives those keys");
    return 0;
}
