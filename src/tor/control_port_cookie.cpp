#include "tor/control_port_cookie.hpp"

#include <sodium.h>

namespace lethe {
namespace {

CookieProof proof(std::string_view purpose, const Secret& cookie, OctetView controller_nonce, OctetView tor_nonce) {
    const OctetView key = as_octets(purpose);
    CookieProof proof;
    static_assert(proof.size() == crypto_auth_hmacsha256_BYTES);
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key.data(), key.size());
    for (const OctetView part : {cookie.expose(), controller_nonce, tor_nonce})
        crypto_auth_hmacsha256_update(&state, part.data(), part.size());
    crypto_auth_hmacsha256_final(&state, proof.data());
    sodium_memzero(&state, sizeof state);
    return proof;
}

}  // namespace

CookieProof tor_cookie_proof(const Secret& cookie, OctetView controller_nonce, OctetView tor_nonce) {
    return proof("Tor safe cookie authentication server-to-controller hash", cookie, controller_nonce, tor_nonce);
}

CookieProof controller_cookie_proof(const Secret& cookie, OctetView controller_nonce, OctetView tor_nonce) {
    return proof("Tor safe cookie authentication controller-to-server hash", cookie, controller_nonce, tor_nonce);
}

}  // namespace lethe
