#pragma once

#include "base/secret.hpp"

namespace lethe {

/// Lays out big-endian fields in locked memory, so that no octet passes through another buffer. The capacity is known beforehand; more than
/// that is a mistake of the program, which ends it.
class SecretWriter {
public:
    explicit SecretWriter(std::size_t capacity_octets) : secret_(capacity_octets) {}

    SecretWriter& raw(OctetView octets);
    SecretWriter& u8(std::size_t value) { return number(value, 1); }
    SecretWriter& u16(std::size_t value) { return number(value, 2); }
    SecretWriter& u32(std::size_t value) { return number(value, 4); }
    /// A u8 length and the octets.
    SecretWriter& sized8(OctetView octets) { return u8(octets.size()).raw(octets); }
    /// A u16 length and the octets.
    SecretWriter& sized16(OctetView octets) { return u16(octets.size()).raw(octets); }

    /// What has been written.
    Secret take() { return position_ == secret_.size() ? std::move(secret_) : secret_.prefix(position_); }

private:
    SecretWriter& number(std::size_t value, unsigned width_octets);

    Secret secret_;
    std::size_t position_ = 0;
};

}  // namespace lethe
