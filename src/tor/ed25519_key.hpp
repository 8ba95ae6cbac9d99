#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/octets.hpp"
#include "base/result.hpp"

namespace lethe {

using Ed25519PublicKey = std::array<std::uint8_t, 32>;

/// tor keeps ed25519 secrets expanded (RFC 8032 section 5.1.5): a scalar and a nonce prefix, 32 octets each.
inline constexpr std::size_t expanded_key_octets = 64;

/// Every secret scalar that tor makes is clamped. The bits that clamping fixes drop out of the public key, so only this notices a change
/// there.
bool is_clamped(OctetView scalar);

/// The public key of an expanded secret key. Nothing public depends on the nonce prefix.
/// @error corrupt  the scalar is not clamped, or is zero.
Result<Ed25519PublicKey> ed25519_public_key(OctetView expanded);

/// The expanded key in a file of tor's; borrows. @param tag  "type0" (master), "type4" (signing) or "fmly-id". @error corrupt
Result<OctetView> ed25519_secret_payload(OctetView file, std::string_view tag);

/// The public key of the secret key in a file of tor's. @error corrupt
Result<Ed25519PublicKey> parse_ed25519_secret(OctetView file, std::string_view tag);

}  // namespace lethe
