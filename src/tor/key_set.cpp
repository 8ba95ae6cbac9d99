#include "tor/key_set.hpp"

#include <sodium.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "tor/certificate.hpp"
#include "tor/key_names.hpp"
#include "tor/rsa_key.hpp"
#include "tor/tagged_file.hpp"

namespace lethe {

namespace {

constexpr std::size_t expanded_key_octets = 64;
constexpr std::size_t curve25519_pair_octets = 64;

// Every secret scalar that tor makes is clamped. The bits that clamping fixes drop out of the public key, so only this notices a change
// there.
bool is_clamped(OctetView scalar) { return (scalar[0] & 7) == 0 && (scalar[31] & 0xc0) == 0x40; }

// tor keeps ed25519 secrets expanded (RFC 8032 section 5.1.5): a scalar and a nonce prefix. Nothing public depends on the prefix.
Result<Ed25519PublicKey> public_part(OctetView expanded) {
    Ed25519PublicKey key;
    if (!is_clamped(expanded) || crypto_scalarmult_ed25519_base_noclamp(key.data(), expanded.data()) != 0)
        return fail(ErrorKind::corrupt, "not an ed25519 secret key");
    return key;
}

Result<Ed25519PublicKey> parse_ed25519_secret(OctetView file, std::string_view tag) {
    return public_part(TRY(tagged_payload(file, std::format("ed25519v1-secret: {}", tag), expanded_key_octets)));
}

Result<void> check_onion_pair(OctetView file) {
    const OctetView pair = TRY(tagged_payload(file, "c25519v1: onion", curve25519_pair_octets));
    std::array<std::uint8_t, crypto_scalarmult_BYTES> derived;
    if (!is_clamped(pair) || crypto_scalarmult_base(derived.data(), pair.data()) != 0 || !std::ranges::equal(derived, pair.subspan(32)))
        return fail(ErrorKind::corrupt, "its public half does not belong to its secret half");
    return {};
}

// Runs a parser on one file and puts the file's name before its error.
template <class Parser>
auto parse_file(const KeyFiles& files, const std::string& name, Parser parser) {
    auto parsed = parser(files.at(name).expose());
    if (!parsed) parsed = in_context(std::move(parsed).error(), name);
    return parsed;
}

Result<void> check_names(const KeyFiles& files) {
    for (const auto& [name, octets] : files) TRY(check_key_file_name(name));
    if (!files.contains(key_file::master_secret) && files.contains(key_file::signing_secret))
        return fail(ErrorKind::invalid_argument,
                    "{} is missing; a master key that is kept offline is not supported yet: give all of the key files",
                    key_file::master_secret);
    for (const std::string& name : required_key_files)
        if (!files.contains(name)) return fail(ErrorKind::invalid_argument, "{} is missing: give all of the relay's key files", name);
    return {};
}

Result<void> check_onion_keys(const KeyFiles& files) {
    for (const std::string& name : {key_file::onion_ntor, key_file::onion_ntor_old})
        if (files.contains(name)) TRY(parse_file(files, name, check_onion_pair));
    for (const std::string& name : {key_file::onion, key_file::onion_old})
        if (files.contains(name)) TRY(parse_file(files, name, check_rsa_key));
    return {};
}

Result<Ed25519PublicKey> check_master_key(const KeyFiles& files) {
    const Ed25519PublicKey master = TRY(parse_file(files, key_file::master_public, [](OctetView file) -> Result<Ed25519PublicKey> {
        Ed25519PublicKey key;
        std::ranges::copy(TRY(tagged_payload(file, "ed25519v1-public: type0", key.size())), key.begin());
        return key;
    }));
    if (TRY(parse_file(files, key_file::master_secret, [](OctetView file) { return parse_ed25519_secret(file, "type0"); })) != master)
        return fail(ErrorKind::corrupt, "{} does not belong to {}", key_file::master_secret, key_file::master_public);
    return master;
}

Result<SigningCertificate> check_signing_key(const KeyFiles& files, const Ed25519PublicKey& master) {
    const SigningCertificate certificate =
        TRY(parse_file(files, key_file::signing_certificate, [](OctetView file) -> Result<SigningCertificate> {
            return parse_signing_certificate(TRY(tagged_payload(file, "ed25519v1-cert: type4", signing_certificate_octets)));
        }));
    if (certificate.master_key != master)
        return fail(ErrorKind::corrupt, "{} was signed by another master key than {}", key_file::signing_certificate,
                    key_file::master_public);
    const Ed25519PublicKey signing_key =
        TRY(parse_file(files, key_file::signing_secret, [](OctetView file) { return parse_ed25519_secret(file, "type4"); }));
    if (signing_key != certificate.signing_key)
        return fail(ErrorKind::corrupt, "{} does not belong to {}", key_file::signing_secret, key_file::signing_certificate);
    return certificate;
}

}  // namespace

std::string Fingerprints::rsa_hex() const {
    std::string text = to_hex(rsa);
    std::ranges::transform(text, text.begin(), [](unsigned char digit) { return static_cast<char>(std::toupper(digit)); });
    return text;
}

std::string Fingerprints::ed25519_base64() const { return to_base64_unpadded(ed25519); }

Result<KeySet> parse_key_files(KeyFiles files) {
    TRY(check_names(files));
    KeySet keys;
    keys.fingerprints.ed25519 = TRY(check_master_key(files));
    keys.signing_key_expires = TRY(check_signing_key(files, keys.fingerprints.ed25519)).expires;
    TRY(check_onion_keys(files));
    keys.fingerprints.rsa = TRY(parse_file(files, key_file::rsa_identity, check_rsa_key));
    keys.files = std::move(files);
    return keys;
}

}  // namespace lethe
