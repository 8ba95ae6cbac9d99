#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace lethe {

/// The two fingerprints that a relay is known by.
struct Fingerprints {
    std::array<std::uint8_t, 20> rsa;      ///< SHA-1 of the DER RSAPublicKey
    std::array<std::uint8_t, 32> ed25519;  ///< the master identity public key
    bool operator==(const Fingerprints&) const = default;

    std::string rsa_hex() const;         ///< 40 upper-case hexadecimal digits, as tor's `fingerprint` file has them
    std::string ed25519_base64() const;  ///< 43 characters, as tor's `fingerprint-ed25519` file has them
};

/// The files of a relay's key directory by name, each in locked memory.
using KeyFiles = std::map<std::string, Secret>;

/// A key directory that has been parsed and found whole: every key loads, the pairs match, the certificate is signed by the master key.
///
/// Nothing in the files binds the RSA identity or the onion keys to the ed25519 identity: that the two identities belong together is what
/// the manifest says, and swapped onion keys of two relays go unnoticed (clients fall back on the next descriptor).
struct KeySet {
    KeyFiles files;
    Fingerprints fingerprints;
    std::int64_t signing_key_expires = 0;  ///< seconds since the epoch; the signing certificate's
};

/// Checks the files of one relay and computes its fingerprints. An expired signing certificate is accepted: tor, which has the master key,
/// makes a new one when it starts.
///
/// @error invalid_argument  a file is missing that this form of relay needs, or one is there that does not belong.
/// @error corrupt           a file does not parse, is damaged, or does not belong with the others; the message names the file.
/// Source: tor 0.4.9, feature/relay/routerkeys.c and lib/crypt_ops/crypto_format.c.
Result<KeySet> parse_key_files(KeyFiles files);

/// Reads a key directory (opened O_DIRECTORY): regular files only, 8 KiB and 32 files at most. A `.tmp` beside an expected name is skipped:
/// tor leaves one when it dies in the middle of a write.
/// @error corrupt, io
Result<KeyFiles> read_key_directory(int directory);

/// The payload of an `identity` object: the manifest (both fingerprints) and the files. Layout in docs/formats.md.
Secret encode_identity(const KeySet& keys);
/// Checks that the files have the fingerprints of the manifest. @error corrupt
Result<KeySet> decode_identity(const Secret& payload);

}  // namespace lethe
