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
}  // namespace key_file

/// Without one of these tor mints another identity, or does not start. Onion keys are not among them: tor makes new ones.
inline const std::array<std::string, 5> required_key_files{key_file::rsa_identity, key_file::master_secret, key_file::master_public,
                                                           key_file::signing_secret, key_file::signing_certificate};
inline const std::array<std::string, 4> optional_key_files{key_file::onion, key_file::onion_old, key_file::onion_ntor,
                                                           key_file::onion_ntor_old};

bool is_key_file(std::string_view name);

/// @error invalid_argument  no file of a key directory, or one of a form that Lethe does not hold yet; the message says which.
Result<void> check_key_file_name(std::string_view name);

}  // namespace lethe
