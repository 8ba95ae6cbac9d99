#pragma once

#include <array>
#include <cstdint>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "tor/ed25519_key.hpp"

namespace lethe {

/// What tor's signing certificate says: the master key lends its name to a signing key for a time.
struct SigningCertificate {
    Ed25519PublicKey master_key;
    Ed25519PublicKey signing_key;
    std::int64_t expires;  ///< seconds since the epoch
};

inline constexpr std::size_t signing_certificate_octets = 140;
inline constexpr std::size_t ed25519_signature_octets = 64;

/// Parses an ed25519 signing certificate without verifying its signature. @error corrupt  as parse_signing_certificate
Result<SigningCertificate> read_signing_certificate(OctetView octets);

/// Parses an ed25519 signing certificate (type 4) and verifies its signature with the master key that it carries. Asks no clock: whether it
/// has expired is for the caller to judge.
/// @error corrupt  another version, type or key type, extensions other than the master key alone, a signature that does not verify.
/// Source: Tor cert-spec section 2.1; tor 0.4.9, feature/nodelist/torcert.c.
Result<SigningCertificate> parse_signing_certificate(OctetView octets);

/// The certificate that says this, with a signature of the master key's, octet for octet as tor writes it. `expires` is a whole hour, as
/// certificates count them; the signature (64 octets, the last of a certificate) is not checked.
Octets encode_signing_certificate(const SigningCertificate& certificate, OctetView signature);

}  // namespace lethe
