#include "tor/ed25519_key.hpp"

#include <sodium.h>

#include "tor/tagged_file.hpp"

namespace lethe {

bool is_clamped(OctetView scalar) { return (scalar[0] & 7) == 0 && (scalar[31] & 0xc0) == 0x40; }

Result<Ed25519PublicKey> ed25519_public_key(OctetView expanded) {
    Ed25519PublicKey key;
    if (!is_clamped(expanded) || crypto_scalarmult_ed25519_base_noclamp(key.data(), expanded.data()) != 0)
        return fail(ErrorKind::corrupt, "not an ed25519 secret key");
    return key;
}

Result<OctetView> ed25519_secret_payload(OctetView file, std::string_view tag) {
    return tagged_payload(file, std::format("ed25519v1-secret: {}", tag), expanded_key_octets);
}

Result<Ed25519PublicKey> parse_ed25519_secret(OctetView file, std::string_view tag) {
    return ed25519_public_key(TRY(ed25519_secret_payload(file, tag)));
}

}  // namespace lethe
