#include "tor/compact_identity.hpp"

#include <algorithm>

#include "base/secret_writer.hpp"
#include "tor/certificate.hpp"
#include "tor/family_key.hpp"
#include "tor/key_names.hpp"
#include "tor/rsa_key.hpp"
#include "tor/tagged_file.hpp"

// The layout is in docs/formats.md, "Compact identity".
namespace lethe {

namespace {

constexpr std::uint8_t flag_offline = 1;
constexpr std::uint8_t flag_least_exponent = 2;
constexpr std::int64_t seconds_per_hour = 3600;

constexpr std::string_view master_secret_title = "ed25519v1-secret: type0";
constexpr std::string_view master_public_title = "ed25519v1-public: type0";
constexpr std::string_view signing_secret_title = "ed25519v1-secret: type4";
constexpr std::string_view certificate_title = "ed25519v1-cert: type4";
constexpr std::string_view family_title = "ed25519v1-secret: fmly-id";

// What is in a tagged file, of which a KeySet says that it is whole.
OctetView payload_of(const KeyFiles& files, const std::string& name, std::string_view title, std::size_t size) {
    return tagged_payload(files.at(name).expose(), title, size).value();
}

void put_online(SecretWriter& writer, const KeyFiles& files) {
    writer.raw(payload_of(files, key_file::master_secret, master_secret_title, expanded_key_octets));
}

void put_offline(SecretWriter& writer, const KeySet& keys) {
    writer.raw(keys.fingerprints.ed25519);
    writer.u32(static_cast<std::size_t>(keys.signing_key_expires / seconds_per_hour));
    writer.raw(payload_of(keys.files, key_file::signing_certificate, certificate_title, signing_certificate_octets)
                   .last(ed25519_signature_octets));
    writer.raw(payload_of(keys.files, key_file::signing_secret, signing_secret_title, expanded_key_octets));
}

Result<void> take_online(OctetReader& reader, KeyFiles& files) {
    const OctetView master = TRY(reader.take(expanded_key_octets));
    files.emplace(key_file::master_secret, tagged_file(master_secret_title, master));
    files.emplace(key_file::master_public, tagged_file(master_public_title, TRY(ed25519_public_key(master))));
    return {};
}

Result<void> take_offline(OctetReader& reader, KeyFiles& files) {
    SigningCertificate certificate{};
    std::ranges::copy(TRY(reader.take(certificate.master_key.size())), certificate.master_key.begin());
    certificate.expires = seconds_per_hour * TRY(reader.u32());
    const OctetView signature = TRY(reader.take(ed25519_signature_octets));
    const OctetView signing = TRY(reader.take(expanded_key_octets));
    certificate.signing_key = TRY(ed25519_public_key(signing));
    files.emplace(key_file::master_public, tagged_file(master_public_title, certificate.master_key));
    files.emplace(key_file::signing_secret, tagged_file(signing_secret_title, signing));
    files.emplace(key_file::signing_certificate, tagged_file(certificate_title, encode_signing_certificate(certificate, signature)));
    return {};
}

Result<void> take_families(const std::map<std::string, OctetView>& families, KeyFiles& files) {
    for (const auto& [name, octets] : families) {
        if (!is_family_name(name) || octets.size() != expanded_key_octets)
            return fail(ErrorKind::corrupt, "a family key with a name of {} characters and {} octets", name.size(), octets.size());
        files.emplace(family_secret_file(name), tagged_file(family_title, octets));
    }
    return {};
}

Result<KeySet> decode(OctetView keys, const std::map<std::string, OctetView>& families) {
    OctetReader reader(keys);
    const std::uint8_t flags = TRY(reader.u8());
    if ((flags & ~(flag_offline | flag_least_exponent)) != 0)
        return fail(ErrorKind::corrupt, "flags {:#04x} are not known to this release", flags);
    const auto form = (flags & flag_least_exponent) != 0 ? PrivateExponent::least : PrivateExponent::of_product;
    KeyFiles files;
    files.emplace(key_file::rsa_identity, TRY(rsa_key_of_primes(TRY(reader.take(rsa_primes_octets)), form)));
    TRY((flags & flag_offline) != 0 ? take_offline(reader, files) : take_online(reader, files));
    TRY(reader.end());
    TRY(take_families(families, files));
    return parse_key_files(std::move(files), Scrutiny::sealed);
}

}  // namespace

CompactKeys to_compact(const KeySet& keys) {
    const RsaPrimes primes = rsa_primes(keys.files.at(key_file::rsa_identity).expose()).value();
    SecretWriter writer(keys.has_master_secret ? compact_online_octets : compact_offline_octets);
    writer.u8((keys.has_master_secret ? 0u : flag_offline) | (primes.form == PrivateExponent::least ? flag_least_exponent : 0u));
    writer.raw(primes.p_and_q.expose());
    if (keys.has_master_secret) put_online(writer, keys.files);
    else put_offline(writer, keys);
    CompactKeys compact{writer.take(), {}};
    for (const auto& [file, octets] : keys.files)
        if (const std::string name(family_of_secret_file(file)); !name.empty())
            compact.families.emplace(name, Secret::copy_of(payload_of(keys.files, file, family_title, expanded_key_octets)));
    return compact;
}

Result<KeySet> from_compact(OctetView keys, const std::map<std::string, OctetView>& families) {
    auto decoded = decode(keys, families);
    // To whoever opens a sealed object, one key too many is damage and not a wrong request.
    if (!decoded && decoded.error().kind == ErrorKind::invalid_argument) decoded.error().kind = ErrorKind::corrupt;
    return decoded;
}

}  // namespace lethe
