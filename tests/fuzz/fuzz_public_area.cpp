// The areas of a sealed object that a store keeps for the TPM.

#include <algorithm>

#include "fuzz.hpp"
#include "tpm/esys_convert.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const OctetView octets{data, size};
    if (const auto area = unmarshal_public(octets); fuzz::parsed(area))
        fuzz::require(std::ranges::equal(marshal(*area), octets), "a public area has one form");
    if (const auto area = unmarshal_private(octets); fuzz::parsed(area))
        fuzz::require(std::ranges::equal(marshal(*area), octets), "a private area has one form");
    return 0;
}
