#include "vault/recovery_key.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>

namespace lethe {

namespace {

constexpr std::size_t key_octets = crypto_box_PUBLICKEYBYTES;
static_assert(key_octets == crypto_box_SECRETKEYBYTES);
constexpr std::size_t checksum_octets = 4;
constexpr std::size_t encoded_characters = (key_octets + checksum_octets) / 3 * 4;  // whole groups: no padding, and one spelling only
constexpr std::uint16_t setting_version = 1;
constexpr std::size_t purpose_octets = 16;
static_assert(key_box_octets == purpose_octets + key_octets + crypto_box_SEALBYTES);

struct Form {
    std::string_view what;
    std::string_view prefix;
};
constexpr Form public_form{"public", "lethe-recovery-1:"};
constexpr Form secret_form{"secret", "lethe-recovery-secret-1:"};

OctetView purpose_text(BoxedKey purpose) {
    using namespace std::string_view_literals;
    return as_octets(purpose == BoxedKey::vault ? "lethe vault key\0"sv : "lethe export key"sv);
}

Secret joined(OctetView first, OctetView second) {
    Secret both(first.size() + second.size());
    std::ranges::copy(first, both.expose_mutable().begin());
    std::ranges::copy(second, both.expose_mutable().begin() + static_cast<std::ptrdiff_t>(first.size()));
    return both;
}

// Over the prefix too, so that neither form passes for the other.
Secret checksum(const Form& form, OctetView key) {
    const Secret input = joined(as_octets(form.prefix), key);
    Secret sum(crypto_generichash_BYTES);
    crypto_generichash(sum.expose_mutable().data(), sum.size(), input.expose().data(), input.size(), nullptr, 0);
    return sum.prefix(checksum_octets);
}

Secret encode(const Form& form, OctetView key) {
    const Secret checked = joined(key, checksum(form, key).expose());
    Secret text(encoded_characters + 1);  // libsodium ends it with a NUL
    sodium_bin2base64(reinterpret_cast<char*>(text.expose_mutable().data()), text.size(), checked.expose().data(), checked.size(),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return joined(as_octets(form.prefix), text.expose().first(encoded_characters));
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view white_space = " \t\r\n\v\f";
    const auto first = text.find_first_not_of(white_space);
    return first == text.npos ? "" : text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

// Not left to libsodium: 1.0.18 takes every octet above 0x7f for an underscore.
bool is_base64url(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

Result<Secret> decode(const Form& form, const Form& other, std::string_view text) {
    text = trimmed(text);
    if (text.starts_with(other.prefix))
        return fail(ErrorKind::invalid_argument, "this is the {} recovery key; the {} one is needed, which starts with {}", other.what,
                    form.what, form.prefix);
    if (!text.starts_with(form.prefix))
        return fail(ErrorKind::invalid_argument, "this is no {} recovery key that this release knows: one starts with {}", form.what,
                    form.prefix);
    text.remove_prefix(form.prefix.size());
    if (!std::ranges::all_of(text, is_base64url))
        return fail(ErrorKind::invalid_argument,
                    "the {} recovery key is mistyped: after the colon come letters, digits, - and _ alone, in one line", form.what);
    if (text.size() != encoded_characters)
        return fail(ErrorKind::invalid_argument, "the {} recovery key is mistyped: {} characters follow the colon, and it has {}",
                    form.what, text.size(), encoded_characters);
    Secret checked(key_octets + checksum_octets);
    std::size_t length = 0;
    if (sodium_base642bin(checked.expose_mutable().data(), checked.size(), text.data(), text.size(), nullptr, &length, nullptr,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        length != checked.size())
        return fail(ErrorKind::invalid_argument, "the {} recovery key is mistyped: it is not base64url", form.what);
    Secret key = checked.prefix(key_octets);
    if (checksum(form, key.expose()) != Secret::copy_of(checked.expose().subspan(key_octets)))
        return fail(ErrorKind::invalid_argument,
                    "the {} recovery key is mistyped: its checksum does not match; compare it with the original, character by character",
                    form.what);
    return key;
}

// The number that the octets are, little-endian, is below 2^255 - 19. X25519 takes the others as well, reduced; a sealed box would then be
// bound to a spelling of the key that its owner does not have.
bool is_reduced(OctetView key) {
    std::array<std::uint8_t, key_octets> prime;
    prime.fill(0xff);
    prime.front() = 0xed;
    prime.back() = 0x7f;
    return sodium_compare(key.data(), prime.data(), key.size()) < 0;
}

// Secret keys are multiples of 8, and 8 times a point of low order is none: libsodium refuses the product, whatever the secret key.
bool is_of_low_order(OctetView key) {
    const Secret any = Secret::random(crypto_scalarmult_SCALARBYTES);
    Secret product(crypto_scalarmult_BYTES);
    return crypto_scalarmult(product.expose_mutable().data(), any.expose().data(), key.data()) != 0;
}

}  // namespace

Result<RecoveryPublicKey> RecoveryPublicKey::from(OctetView octets) {
    if (octets.size() != key_octets || !is_reduced(octets) || is_of_low_order(octets))
        return fail(ErrorKind::invalid_argument,
                    "this is no public key that anything may be sealed to; make one with `lethectl recovery-key new`");
    RecoveryPublicKey key;
    std::ranges::copy(octets, key.octets_.begin());
    return key;
}

RecoveryPublicKey public_key_of(const RecoverySecretKey& secret_key) {
    std::array<std::uint8_t, key_octets> octets;
    if (crypto_scalarmult_base(octets.data(), secret_key.octets().expose().data()) != 0) std::abort();
    return RecoveryPublicKey::from(octets).value();
}

RecoveryKeyPair make_recovery_key() {
    RecoverySecretKey secret_key(Secret::random(key_octets));
    return {public_key_of(secret_key), std::move(secret_key)};
}

std::string encode_recovery_public(const RecoveryPublicKey& key) {
    return std::string(as_text(encode(public_form, key.octets()).expose()));
}

Secret encode_recovery_secret(const RecoverySecretKey& key) { return encode(secret_form, key.octets().expose()); }

Result<RecoveryPublicKey> parse_recovery_public(std::string_view text) {
    return RecoveryPublicKey::from(TRY(decode(public_form, secret_form, text)).expose());
}

Result<RecoverySecretKey> parse_recovery_secret(const Secret& text) {
    return RecoverySecretKey(TRY(decode(secret_form, public_form, as_text(text.expose()))));
}

Secret encode_recovery_setting(const RecoveryPublicKey& key) {
    return Secret::copy_of(OctetWriter().u16(setting_version).raw(key.octets()).octets());
}

Result<RecoveryPublicKey> decode_recovery_setting(const Secret& payload) {
    OctetReader reader(payload.expose());
    if (const auto version = TRY(reader.u16()); version != setting_version)
        return fail(ErrorKind::corrupt, "recovery setting version {} is not known to this release", version);
    auto key = RecoveryPublicKey::from(TRY(reader.take(key_octets)));
    if (!key) return fail(ErrorKind::corrupt, "the recovery setting holds no public key");
    TRY(reader.end());
    return *key;
}

Octets box_key(BoxedKey purpose, const Secret& key, const RecoveryPublicKey& recipient) {
    const Secret message = joined(purpose_text(purpose), key.expose());
    Octets box(message.size() + crypto_box_SEALBYTES);
    // It fails for a public key of low order alone, which a RecoveryPublicKey is not.
    if (crypto_box_seal(box.data(), message.expose().data(), message.size(), recipient.octets().data()) != 0) std::abort();
    return box;
}

Result<Secret> unbox_key(BoxedKey purpose, OctetView box, const RecoverySecretKey& secret_key) {
    if (box.size() != key_box_octets)
        return fail(ErrorKind::corrupt, "the sealed box has {} octets and not {}", box.size(), key_box_octets);
    const RecoveryPublicKey own = public_key_of(secret_key);
    Secret message(purpose_octets + key_octets);
    if (crypto_box_seal_open(message.expose_mutable().data(), box.data(), box.size(), own.octets().data(),
                             secret_key.octets().expose().data()) != 0)
        return fail(ErrorKind::corrupt, "the sealed box does not open with this recovery key: damaged, or sealed to another");
    if (!std::ranges::equal(message.expose().first(purpose_octets), purpose_text(purpose)))
        return fail(ErrorKind::corrupt, "the sealed box holds a key for another purpose");
    return Secret::copy_of(message.expose().subspan(purpose_octets));
}

}  // namespace lethe
