#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// The files of a relay's key directory. Source: tor 0.4.9, feature/relay/routerkeys.c and router.c.
namespace key_file {
inline const std::string rsa_identity = "secret_id_key";
inline const std::string master_secret = "ed25519_master_id_secret_key";
inline const std::string master_public = "ed25519_master_id_public_key";
inline const std::string signing_secret = "ed25519_signing_secret_key";
inline const std::string signing_certificate = "ed25519_signing_cert";
inline const std::string onion = "secret_onion_key";
inline const std::string onion_old = "secret_onion_key.old";
inline const std::string onion_ntor = "secret_onion_key_ntor";
inline const std::string onion_ntor_old = "secret_onion_key_ntor.old";
/// The master secret under a passphrase. Lethe has none: a set with this file is refused.
inline const std::string master_encrypted = "ed25519_master_id_secret_key_encrypted";
}  // namespace key_file

/// What makes a relay the relay that it is. Which of them may be absent: parse_key_files.
inline const std::array<std::string, 5> identity_key_files{key_file::rsa_identity, key_file::master_secret, key_file::master_public,
                                                           key_file::signing_secret, key_file::signing_certificate};
/// tor makes new ones when they are absent.
inline const std::array<std::string, 4> onion_key_files{key_file::onion, key_file::onion_old, key_file::onion_ntor,
                                                        key_file::onion_ntor_old};

inline constexpr std::string_view family_secret_suffix = ".secret_family_key";
inline constexpr std::string_view family_public_suffix = ".public_family_id";
inline constexpr std::size_t family_limit_count = 8;

/// No key file has more octets, and no set of them more files (nine of the relay's own, and two for each family).
inline constexpr std::size_t key_file_limit_octets = 8192;
inline constexpr std::size_t key_file_limit_count = 32;

/// 1 to 32 of A-Z, a-z, 0-9, '_' and '-'. tor takes any name, an empty one too.
bool is_family_name(std::string_view name);

bool is_key_file(std::string_view name);

/// A key file that anybody may read: a public key, a certificate or a family's id.
bool is_public_key_file(std::string_view name);

/// `.tmp` beside a key file's name: tor leaves one when it dies in the middle of a write.
bool is_unfinished_key_file(std::string_view name);

/// For a message: a name comes from a directory that others may have filled, so its odd octets are replaced and it is cut to 64.
std::string printable_name(std::string_view name);

/// @error invalid_argument  no file of a key directory, or an encrypted one; the message says which, and what to do.
Result<void> check_key_file_name(std::string_view name);

}  // namespace lethe
