#include "tor/key_set.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "tor/certificate.hpp"
#include "tor/family_key.hpp"
#include "tor/key_names.hpp"
#include "tor/onion_key.hpp"
#include "tor/rsa_key.hpp"
#include "tor/tagged_file.hpp"

namespace lethe {

namespace {

// Runs a parser on one file and puts the file's name before its error.
template <class Parser>
auto parse_file(const KeyFiles& files, const std::string& name, Parser parser) {
    auto parsed = parser(files.at(name).expose());
    if (!parsed) parsed = in_context(std::move(parsed).error(), name);
    return parsed;
}

// The rule is parse_key_files's; each message says what tor would do with the set, and with it why Lethe refuses.
Result<void> check_names(const KeyFiles& files) {
    for (const auto& [name, octets] : files) TRY(check_key_file_name(name));
    if (!files.contains(key_file::rsa_identity))
        return fail(ErrorKind::invalid_argument, "{} is missing, and tor would make another identity: give all of the relay's key files",
                    key_file::rsa_identity);
    if (files.contains(key_file::master_secret)) return {};
    for (const std::string& name : {key_file::signing_secret, key_file::signing_certificate})
        if (!files.contains(name))
            return fail(ErrorKind::invalid_argument, "{} is missing: without {} tor needs {} and {} (master key kept offline)", name,
                        key_file::master_secret, key_file::signing_secret, key_file::signing_certificate);
    return {};
}

Result<void> check_onion_keys(const KeyFiles& files, Scrutiny scrutiny) {
    for (const std::string& name : onion_key_files)
        if (files.contains(name)) TRY(check_onion_key(name, files.at(name).expose(), scrutiny));
    return {};
}

Result<Ed25519PublicKey> parse_master_public(OctetView file) {
    Ed25519PublicKey key;
    std::ranges::copy(TRY(tagged_payload(file, "ed25519v1-public: type0", key.size())), key.begin());
    return key;
}

// What the ed25519 files of one relay say.
struct Ed25519Keys {
    // Each file's public key; of a secret one only where it is derived.
    std::optional<Ed25519PublicKey> master_public, master_secret, signing_secret;
    std::optional<SigningCertificate> certificate;
};

// The public half of a secret, when it is asked for.
Result<std::optional<Ed25519PublicKey>> parse_secret(OctetView file, std::string_view tag, bool derive) {
    if (derive) return TRY(parse_ed25519_secret(file, tag));
    TRY(ed25519_secret_payload(file, tag));
    return std::nullopt;
}

Result<Ed25519Keys> parse_ed25519_files(const KeyFiles& files, Scrutiny scrutiny) {
    const bool derive = scrutiny != Scrutiny::authentic;
    Ed25519Keys keys;
    if (files.contains(key_file::master_public)) keys.master_public = TRY(parse_file(files, key_file::master_public, parse_master_public));
    if (files.contains(key_file::signing_certificate))
        keys.certificate = TRY(parse_file(files, key_file::signing_certificate, [&](OctetView file) -> Result<SigningCertificate> {
            const OctetView octets = TRY(tagged_payload(file, "ed25519v1-cert: type4", signing_certificate_octets));
            return derive ? parse_signing_certificate(octets) : read_signing_certificate(octets);
        }));
    const bool known = keys.master_public || keys.certificate;
    if (files.contains(key_file::master_secret))
        keys.master_secret =
            TRY(parse_file(files, key_file::master_secret, [&](OctetView file) { return parse_secret(file, "type0", derive || !known); }));
    if (files.contains(key_file::signing_secret))
        keys.signing_secret =
            TRY(parse_file(files, key_file::signing_secret, [&](OctetView file) { return parse_secret(file, "type4", derive); }));
    return keys;
}

// The master public key that all of them agree on.
Result<Ed25519PublicKey> check_ed25519_keys(const Ed25519Keys& keys) {
    if (keys.master_public && keys.master_secret && keys.master_public != keys.master_secret)
        return fail(ErrorKind::corrupt, "{} does not belong to {}", key_file::master_secret, key_file::master_public);
    const bool has_public = keys.master_public.has_value(), has_secret = keys.master_secret.has_value();
    const Ed25519PublicKey master = has_public ? *keys.master_public : has_secret ? *keys.master_secret : keys.certificate->master_key;
    if (keys.certificate && keys.certificate->master_key != master)
        return fail(ErrorKind::corrupt, "{} was signed by another master key than {}", key_file::signing_certificate,
                    has_public ? key_file::master_public : key_file::master_secret);
    if (keys.certificate && keys.signing_secret && keys.certificate->signing_key != keys.signing_secret)
        return fail(ErrorKind::corrupt, "{} does not belong to {}", key_file::signing_secret, key_file::signing_certificate);
    return master;
}

}  // namespace

std::string Fingerprints::rsa_hex() const {
    std::string text = to_hex(rsa);
    std::ranges::transform(text, text.begin(), [](unsigned char digit) { return static_cast<char>(std::toupper(digit)); });
    return text;
}

std::string Fingerprints::ed25519_base64() const { return to_base64_unpadded(ed25519); }

Result<KeySet> parse_key_files(KeyFiles files, Scrutiny scrutiny) {
    TRY(check_names(files));
    KeySet keys;
    const Ed25519Keys ed25519 = TRY(parse_ed25519_files(files, scrutiny));
    keys.fingerprints.ed25519 = TRY(check_ed25519_keys(ed25519));
    keys.has_master_secret = files.contains(key_file::master_secret);
    if (ed25519.certificate) keys.signing_key_expires = ed25519.certificate->expires;
    TRY(check_onion_keys(files, scrutiny));
    keys.family_ids = TRY(check_family_keys(files));
    keys.fingerprints.rsa = TRY(parse_file(files, key_file::rsa_identity, [&](OctetView file) { return check_rsa_key(file, scrutiny); }));
    keys.files = std::move(files);
    return keys;
}

}  // namespace lethe
