#pragma once

#include <string_view>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace lethe {

/// The payload of one of tor's tagged files: a header of 32 octets, "== TITLE ==" padded with NULs, then `payload_octets` octets. Borrows.
///
/// @param title  type and tag, as in "ed25519v1-secret: type0".
/// @error corrupt  another header, or another length.
/// Source: tor 0.4.9, lib/crypt_ops/crypto_format.c, crypto_read_tagged_contents_from_file.
Result<OctetView> tagged_payload(OctetView file, std::string_view title, std::size_t payload_octets);

/// The file with this payload. @param title  at most 25 characters.
Secret tagged_file(std::string_view title, OctetView payload);

}  // namespace lethe
