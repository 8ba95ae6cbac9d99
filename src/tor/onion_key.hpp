#pragma once

#include <string>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "tor/scrutiny.hpp"

namespace lethe {

/// Checks one of the onion keys (onion_key_files): an RSA key as check_rsa_key takes it, or a curve25519 pair that belongs together.
/// @error corrupt  the message names the file.
/// Source: tor 0.4.9, feature/relay/router.c (init_keys) and lib/crypt_ops/crypto_curve25519.c.
Result<void> check_onion_key(const std::string& name, OctetView file, Scrutiny scrutiny);

}  // namespace lethe
