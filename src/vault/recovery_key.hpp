#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/octets.hpp"
#include "base/secret.hpp"

namespace lethe {

/// The public half (X25519) of the operator's recovery key: what vault keys and exports are sealed to. Holds only what a key pair can have.
class RecoveryPublicKey {
public:
    /// @param octets  32.
    /// @error invalid_argument  another length; or a number that is no key: of low order, or not below 2^255 - 19. What is sealed to it
    ///                          would open for everyone, or for no one.
    static Result<RecoveryPublicKey> from(OctetView octets);
    OctetView octets() const { return octets_; }
    bool operator==(const RecoveryPublicKey&) const = default;

private:
    std::array<std::uint8_t, 32> octets_{};
};

/// The secret half. It is kept offline; a machine sees it only while something is recovered.
class RecoverySecretKey {
public:
    /// @param octets  32; every number is a secret key.
    explicit RecoverySecretKey(Secret octets) : octets_(std::move(octets)) {}
    const Secret& octets() const { return octets_; }

private:
    Secret octets_;
};

struct RecoveryKeyPair {
    RecoveryPublicKey public_key;
    RecoverySecretKey secret_key;
};
RecoveryKeyPair make_recovery_key();
RecoveryPublicKey public_key_of(const RecoverySecretKey& secret_key);

/// The key as a person copies and prints it: `lethe-recovery-1:` or `lethe-recovery-secret-1:`, then 48 characters of base64url that end in
/// a checksum. A mistyped key is refused: nobody could open what is sealed to it.
std::string encode_recovery_public(const RecoveryPublicKey& key);
Secret encode_recovery_secret(const RecoverySecretKey& key);

/// White space at both ends is let pass.
/// @error invalid_argument  mistyped, cut short, or the other half of the pair; says which, and never quotes the text.
Result<RecoveryPublicKey> parse_recovery_public(std::string_view text);
Result<RecoverySecretKey> parse_recovery_secret(const Secret& text);

/// The payload of the store's `recovery` object: whom vault keys and exports of this machine are sealed to.
Secret encode_recovery_setting(const RecoveryPublicKey& key);
/// @error corrupt
Result<RecoveryPublicKey> decode_recovery_setting(const Secret& payload);

/// What a key in a box is for. It lies in the box, so that one is not taken for the other.
enum class BoxedKey { vault, exported };
constexpr std::size_t key_box_octets = 96;

/// Seals a key of 32 octets to the recipient: a box of 96 octets that tells nothing. Anyone who knows the public key can make one, so that
/// a box that opens says nothing about who made it. Source: libsodium, crypto_box_seal.
Octets box_key(BoxedKey purpose, const Secret& key, const RecoveryPublicKey& recipient);
/// @error corrupt  sealed to another recipient, damaged, or a key for another purpose.
Result<Secret> unbox_key(BoxedKey purpose, OctetView box, const RecoverySecretKey& secret_key);

}  // namespace lethe
