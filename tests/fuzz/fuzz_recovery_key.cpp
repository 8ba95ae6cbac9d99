// The recovery key as a person gives it, and as the store has it.

#include <algorithm>

#include "fuzz.hpp"
#include "vault/recovery_key.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const OctetView octets{data, size};
    const auto wrong = {ErrorKind::invalid_argument};
    if (const auto key = parse_recovery_public(as_text(octets)); fuzz::parsed(key, wrong))
        require(as_text(octets).contains(encode_recovery_public(*key)), "a public key has one text");
    if (const auto key = parse_recovery_secret(Secret::copy_of(octets)); fuzz::parsed(key, wrong))
        require(as_text(octets).contains(as_text(encode_recovery_secret(*key).expose())), "a secret key has one text");
    if (const auto key = RecoveryPublicKey::from(octets); fuzz::parsed(key, wrong))
        require(std::ranges::equal(key->octets(), octets) && fuzz::is(parse_recovery_public(encode_recovery_public(*key)), *key),
                "a key that is taken can be written");
    if (const auto key = decode_recovery_setting(Secret::copy_of(octets)); fuzz::parsed(key))
        require(encode_recovery_setting(*key) == Secret::copy_of(octets), "a setting has one form");
    static const RecoveryKeyPair pair = make_recovery_key();
    fuzz::parsed(unbox_key(BoxedKey::vault, octets, pair.secret_key));
    return 0;
}
