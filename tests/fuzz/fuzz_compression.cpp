// What a sealed object holds, before it is decompressed.

#include "fuzz.hpp"
#include "vault/compression.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::size_t plain_octets = input.number(2);
    const Secret octets = Secret::copy_of(input.rest());
    const auto plain = decompress(octets, plain_octets);
    if (fuzz::parsed(plain)) fuzz::require(plain->size() == plain_octets, "it has the length that was asked for");
    const auto back = decompress(compress(octets), octets.size());
    fuzz::require(back && *back == octets, "what is compressed comes back");
    return 0;
}
