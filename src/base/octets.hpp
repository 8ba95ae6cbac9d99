#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lethe {

using Octets = std::vector<std::uint8_t>;
using OctetView = std::span<const std::uint8_t>;

/// The octets of a text, without a terminating NUL. Borrows.
OctetView as_octets(std::string_view text);
/// The text that the octets are; no check of the encoding. Borrows.
std::string_view as_text(OctetView octets);

std::string to_hex(OctetView octets);
/// @error corrupt  not an even number of hexadecimal digits.
Result<Octets> from_hex(std::string_view text);

/// Base64 of RFC 4648 section 4, padded. Runs in constant time for its length (libsodium).
std::string to_base64(OctetView octets);
/// The same without padding, as tor prints ed25519 identities.
std::string to_base64_unpadded(OctetView octets);
/// @error corrupt  not padded base64.
Result<Octets> from_base64(std::string_view text);

/// Reads fields in order, big-endian ones unless the name says otherwise. Borrows the octets; every read is bounds-checked.
class OctetReader {
public:
    explicit OctetReader(OctetView octets) : rest_(octets) {}

    /// @error corrupt  fewer octets are left than asked for.
    Result<OctetView> take(std::size_t count);
    Result<std::uint8_t> u8();
    Result<std::uint16_t> u16();
    Result<std::uint32_t> u32();
    Result<std::uint64_t> u64();
    Result<std::uint16_t> u16_le();
    Result<std::uint32_t> u32_le();
    /// A u16 length and that many octets.
    Result<OctetView> sized16();
    /// A u32 length and that many octets.
    Result<OctetView> sized32();

    /// @error corrupt  something is left.
    Result<void> end() const;
    OctetView rest() const { return rest_; }

private:
    OctetView rest_;
};

/// Appends big-endian fields. For public data; secrets are laid out in a Secret.
class OctetWriter {
public:
    OctetWriter& raw(OctetView octets);
    OctetWriter& u8(std::uint8_t value);
    OctetWriter& u16(std::uint16_t value);
    OctetWriter& u32(std::uint32_t value);
    OctetWriter& u64(std::uint64_t value);
    /// A u16 length and the octets; they must be fewer than 65536.
    OctetWriter& sized16(OctetView octets);
    /// A u32 length and the octets.
    OctetWriter& sized32(OctetView octets);

    const Octets& octets() const { return octets_; }
    Octets take() { return std::move(octets_); }

private:
    Octets octets_;
};

}  // namespace lethe
