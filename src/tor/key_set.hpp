#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "tor/scrutiny.hpp"

namespace lethe {

/// SHA-1 of the DER RSAPublicKey.
using RsaFingerprint = std::array<std::uint8_t, 20>;

/// The two fingerprints that a relay is known by.
struct Fingerprints {
    RsaFingerprint rsa;
    std::array<std::uint8_t, 32> ed25519;  ///< the master identity public key
    bool operator==(const Fingerprints&) const = default;

    std::string rsa_hex() const;         ///< 40 upper-case hexadecimal digits, as tor's `fingerprint` file has them
    std::string ed25519_base64() const;  ///< 43 characters, as tor's `fingerprint-ed25519` file has them
};

/// The files of a relay's key directory by name, each in locked memory.
using KeyFiles = std::map<std::string, Secret>;

/// A key directory that has been parsed and found whole: tor starts with it, and with these fingerprints. Every key loads, the pairs match,
/// the certificate is signed by the master key.
///
/// Nothing in the files binds the RSA identity or the onion keys to the ed25519 identity: that the two identities belong together is what
/// the manifest says, and swapped onion keys of two relays go unnoticed (clients fall back on the next descriptor).
struct KeySet {
    KeyFiles files{};
    Fingerprints fingerprints{};
    std::int64_t signing_key_expires = 0;   ///< seconds since the epoch; 0 when there is no signing certificate
    bool has_master_secret = false;         ///< false: the master key is kept offline, and tor needs `OfflineMasterKey 1`
    std::vector<std::string> family_ids{};  ///< of the family keys, 43 base64 characters each, sorted
};

/// Checks the files of one relay and computes its fingerprints.
///
/// What tor starts with, and mints no identity: the RSA key; and the master secret or, when that is kept offline, the signing key with its
/// certificate. The rest may be absent: with the master secret tor makes a new signing pair; the public master key it derives, from the
/// secret or the certificate; onion keys it makes anew. Without the master secret and the pair it mints an identity (`OfflineMasterKey 0`)
/// or ends (1).
///
/// A signing certificate that has expired is accepted. With the master secret tor makes a new one; without it tor ends, which is for the
/// caller to judge, who has a clock. More strictly than tor, which then mints a new pair, a damaged or foreign signing key is refused
/// beside the master secret as well.
///
/// @error invalid_argument  a file is missing, or one is there that does not belong; the message names it.
/// @error corrupt           a file does not parse, is damaged, or does not belong with the others; the message names the file.
/// Source: tor 0.4.9, feature/relay/routerkeys.c (load_ed_keys), feature/keymgt/loadkey.c and lib/crypt_ops/crypto_format.c.
Result<KeySet> parse_key_files(KeyFiles files, Scrutiny scrutiny = Scrutiny::whole);

/// Reads a key directory (opened O_DIRECTORY): regular files only, of key_file_limit_octets and key_file_limit_count at most. Unfinished
/// files (is_unfinished_key_file) are skipped.
/// @error corrupt, io
Result<KeyFiles> read_key_directory(int directory);

/// The payload of an `identity` object: the manifest (both fingerprints) and the files. Layout in docs/formats.md.
Secret encode_identity(const KeySet& keys);
/// Checks that the files have the fingerprints of the manifest. The payload comes out of an authenticated object: Scrutiny::authentic.
/// @error corrupt
Result<KeySet> decode_identity(const Secret& payload);

}  // namespace lethe
