#pragma once

#include <array>
#include <cstdint>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "tor/rsa_numbers.hpp"
#include "tor/scrutiny.hpp"

namespace lethe {

/// SHA-1 of the DER RSAPublicKey: what tor calls the key's fingerprint.
using RsaFingerprint = std::array<std::uint8_t, 20>;

/// Checks a private key as tor writes them (PEM, PKCS#1, 1024 bits, e = 65537, two primes of 512 bits, exponents consistent) and computes
/// its fingerprint. Secret octets stay in locked memory, but for the numbers inside OpenSSL, which clears them when it frees them.
/// @error corrupt
/// Source: RFC 8017 appendix A.1.2; tor 0.4.9, lib/crypt_ops/crypto_rsa_openssl.c.
Result<RsaFingerprint> check_rsa_key(OctetView pem, Scrutiny scrutiny = Scrutiny::whole);

/// What a private key can be rebuilt from.
struct RsaPrimes {
    Secret p_and_q;        ///< 64 octets each, in the key's order
    PrivateExponent form;  ///< `of_product` also for a d that is neither: the rebuilt key then has another, equivalent one
};

inline constexpr std::size_t rsa_primes_octets = 2 * rsa_prime_bits / 8;

/// @error corrupt  check_rsa_key (sealed) would refuse the key.
Result<RsaPrimes> rsa_primes(OctetView pem);

/// The private key with these primes, octet for octet as tor writes it, with the NUL that tor adds to the PEM text.
/// @param p_and_q  128 octets.
/// @error corrupt  there is no such key; whether they are primes is not asked.
Result<Secret> rsa_key_of_primes(OctetView p_and_q, PrivateExponent form);

}  // namespace lethe
