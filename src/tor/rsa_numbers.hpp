#pragma once

#include <openssl/bn.h>

#include <memory>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace lethe {

struct ClearNumber {
    void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
using Number = std::unique_ptr<BIGNUM, ClearNumber>;

/// The numbers of an RSA private key, in the order in which RFC 8017 appendix A.1.2 names them. They are OpenSSL's, which clears them when
/// they are freed.
struct RsaNumbers {
    Number n, e, d, p, q, dp, dq, q_inverse;
};

inline constexpr int rsa_key_bits = 1024;
inline constexpr int rsa_prime_bits = rsa_key_bits / 2;
inline constexpr BN_ULONG rsa_public_exponent = 65537;

/// How d was chosen: both forms are in use, and each is the same key.
enum class PrivateExponent {
    of_product,  ///< 1/e modulo (p-1)(q-1), as OpenSSL makes it for keys of this size
    least,       ///< 1/e modulo lcm(p-1, q-1), as FIPS 186-4 wants it
};

/// All numbers of the key that has these primes and e = 65537; p and q take no part in what may be wrong with them.
/// @error corrupt  not two different odd numbers of 512 bits with a product of 1024 bits, or e has no inverse.
Result<RsaNumbers> rsa_numbers_of_primes(OctetView p, OctetView q, PrivateExponent form);

/// Checks that the numbers are one key of the size and exponent that tor makes: n = pq, ed = 1 modulo p-1 and q-1, and the three for the
/// Chinese remainder theorem. Whether p and q are primes is not asked.
/// @error corrupt
Result<void> check_rsa_numbers(const RsaNumbers& key);

/// Whether p and q are primes (OpenSSL's Miller-Rabin). Takes milliseconds, and much longer than everything else. @error corrupt
Result<void> check_rsa_primes(const RsaNumbers& key);

/// Reads a DER RSAPrivateKey of two primes, in its one canonical form. Source: RFC 8017 appendix A.1.2; X.690.
/// @error corrupt
Result<RsaNumbers> decode_rsa_private_key(OctetView der);
Secret encode_rsa_private_key(const RsaNumbers& key);

/// DER RSAPublicKey, of n and e.
Octets encode_rsa_public_key(const RsaNumbers& key);

}  // namespace lethe
