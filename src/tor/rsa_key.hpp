#pragma once

#include <array>
#include <cstdint>

#include "base/octets.hpp"
#include "base/result.hpp"

namespace lethe {

/// SHA-1 of the DER RSAPublicKey: what tor calls the key's fingerprint.
using RsaFingerprint = std::array<std::uint8_t, 20>;

/// Checks a private key as tor writes them (PEM, PKCS#1, 1024 bits, e = 65537, primes and exponents consistent) and computes its
/// fingerprint. Secret octets stay in locked memory, but for the numbers inside OpenSSL, which clears them when it frees them.
/// @error corrupt
/// Source: RFC 8017 appendix A.1.2; tor 0.4.9, lib/crypt_ops/crypto_rsa_openssl.c.
Result<RsaFingerprint> check_rsa_key(OctetView pem);

}  // namespace lethe
