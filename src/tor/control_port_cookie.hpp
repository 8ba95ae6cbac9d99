#pragma once

#include <array>

#include "base/secret.hpp"

namespace lethe {

constexpr std::size_t control_cookie_octets = 32, control_nonce_octets = 32;
using CookieProof = std::array<std::uint8_t, 32>;

/// What tor proves with that it knows the cookie, and what a controller proves with to tor that it has read it. Neither shows the cookie.
/// Source: control-spec, section 3.24, AUTHCHALLENGE.
CookieProof tor_cookie_proof(const Secret& cookie, OctetView controller_nonce, OctetView tor_nonce);
CookieProof controller_cookie_proof(const Secret& cookie, OctetView controller_nonce, OctetView tor_nonce);

}  // namespace lethe
