#include "base/secret_writer.hpp"

#include <algorithm>
#include <cstdlib>

namespace lethe {

SecretWriter& SecretWriter::raw(OctetView octets) {
    if (octets.size() > secret_.size() - position_) std::abort();
    std::ranges::copy(octets, secret_.expose_mutable().subspan(position_).begin());
    position_ += octets.size();
    return *this;
}

SecretWriter& SecretWriter::number(std::size_t value, unsigned width_octets) {
    if (value >> (8 * width_octets) != 0) std::abort();
    for (unsigned left = width_octets; left > 0; --left) {
        const auto octet = static_cast<std::uint8_t>(value >> (8 * (left - 1)));
        raw({&octet, 1});
    }
    return *this;
}

}  // namespace lethe
