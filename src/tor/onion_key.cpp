#include "tor/onion_key.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "tor/ed25519_key.hpp"
#include "tor/key_names.hpp"
#include "tor/rsa_key.hpp"
#include "tor/tagged_file.hpp"

namespace lethe {

namespace {

constexpr std::size_t curve25519_pair_octets = 64;

Result<void> check_pair(OctetView file, Scrutiny scrutiny) {
    const OctetView pair = TRY(tagged_payload(file, "c25519v1: onion", curve25519_pair_octets));
    if (scrutiny == Scrutiny::authentic) return {};
    std::array<std::uint8_t, crypto_scalarmult_BYTES> derived;
    if (!is_clamped(pair) || crypto_scalarmult_base(derived.data(), pair.data()) != 0 || !std::ranges::equal(derived, pair.subspan(32)))
        return fail(ErrorKind::corrupt, "its public half does not belong to its secret half");
    return {};
}

Result<void> check_key(const std::string& name, OctetView file, Scrutiny scrutiny) {
    if (name == key_file::onion_ntor || name == key_file::onion_ntor_old) return check_pair(file, scrutiny);
    TRY(check_rsa_key(file, scrutiny));
    return {};
}

}  // namespace

Result<void> check_onion_key(const std::string& name, OctetView file, Scrutiny scrutiny) {
    if (auto checked = check_key(name, file, scrutiny); !checked) return in_context(std::move(checked).error(), name);
    return {};
}

}  // namespace lethe
