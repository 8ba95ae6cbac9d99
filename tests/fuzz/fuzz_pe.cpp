// A PE image and its Authenticode digest.

#include <algorithm>

#include "fuzz.hpp"
#include "measure/pe.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const OctetView octets(data, size);
    const auto image = parse_pe(octets);
    if (!fuzz::parsed(image)) return 0;
    constexpr std::array banks{Bank::sha256};
    const auto digest = authenticode(*image, banks);
    require(digest.size() == 1 && digest.contains(Bank::sha256), "one digest for each bank");
    for (const PeSection& section : image->sections) require(section.octets.size() == section.raw_size, "a section is in the file");
    if (size % 8 == 0 && image->certificates.size() % 8 == 0)
        require(authenticode(*image, banks, ImageEnd::padded_to_8) == digest, "a whole number of 8 octets is not padded");

    Octets changed(octets.begin(), octets.end());
    changed[image->checksum_offset] ^= 1;
    if (!image->certificates.empty()) changed.back() ^= 1;
    const auto same = parse_pe(changed);
    require(same && authenticode(*same, banks) == digest, "checksum and certificates are not part of the digest");
    changed[2] ^= 1;  // in the MZ header, which nothing else reads
    require(authenticode(*parse_pe(changed), banks) != digest, "the headers are part of the digest");
    return 0;
}
