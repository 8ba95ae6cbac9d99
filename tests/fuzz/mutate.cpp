#include "mutate.hpp"

#include <algorithm>
#include <array>

namespace lethe::fuzz {

namespace {

constexpr std::size_t limit_octets = 64 * 1024;

std::size_t below(std::size_t limit, std::mt19937_64& random) { return limit == 0 ? 0 : random() % limit; }

// A piece of some octets; short ones are likelier.
OctetView piece_of(OctetView octets, std::mt19937_64& random) {
    const std::size_t start = below(octets.size(), random);
    return octets.subspan(start, below(std::min(octets.size() - start, std::size_t{1} << below(12, random)) + 1, random));
}

void insert(Octets& octets, OctetView piece, std::mt19937_64& random) {
    const Octets copy(piece.begin(), piece.end());
    octets.insert(octets.begin() + static_cast<std::ptrdiff_t>(below(octets.size() + 1, random)), copy.begin(), copy.end());
}

void change(Octets& octets, std::span<const Octets> seeds, std::mt19937_64& random) {
    constexpr std::array<std::uint8_t, 8> boundaries{0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, '\n', '"'};
    const std::size_t at = below(octets.size(), random);
    switch (below(7, random)) {
        case 0:
            if (!octets.empty()) octets[at] ^= static_cast<std::uint8_t>(1U << below(8, random));
            break;
        case 1:
            if (!octets.empty()) octets[at] = boundaries[below(boundaries.size(), random)];
            break;
        case 2:
            if (!octets.empty()) octets[at] += static_cast<std::uint8_t>(random());
            break;
        case 3:
            octets.resize(at);
            break;
        case 4:
            octets.erase(octets.begin() + static_cast<std::ptrdiff_t>(at),
                         octets.begin() + static_cast<std::ptrdiff_t>(at + piece_of(std::span(octets).subspan(at), random).size()));
            break;
        case 5:
            insert(octets, piece_of(octets, random), random);
            break;
        case 6:
            insert(octets, piece_of(seeds[below(seeds.size(), random)], random), random);
            break;
    }
}

}  // namespace

Octets mutant(std::span<const Octets> seeds, std::mt19937_64& random) {
    Octets octets = seeds[below(seeds.size(), random)];
    for (std::size_t changes = 1 + below(4, random); changes > 0; --changes) change(octets, seeds, random);
    octets.resize(std::min(octets.size(), limit_octets));
    return octets;
}

}  // namespace lethe::fuzz
