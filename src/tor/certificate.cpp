#include "tor/certificate.hpp"

#include <sodium.h>

#include <algorithm>

namespace lethe {

namespace {

constexpr std::uint8_t certificate_version = 1;
constexpr std::uint8_t type_signing_by_master = 4;
constexpr std::uint8_t key_type_ed25519 = 1;
constexpr std::uint8_t extension_signed_with = 4;
constexpr std::int64_t seconds_per_hour = 3600;

Result<void> expect(OctetReader& reader, std::uint64_t wanted, std::size_t width_octets, std::string_view what) {
    const std::uint64_t found = width_octets == 2 ? TRY(reader.u16()) : TRY(reader.u8());
    if (found != wanted) return fail(ErrorKind::corrupt, "the {} is {}, not {}", what, found, wanted);
    return {};
}

Result<Ed25519PublicKey> take_key(OctetReader& reader) {
    Ed25519PublicKey key;
    std::ranges::copy(TRY(reader.take(key.size())), key.begin());
    return key;
}

}  // namespace

Result<SigningCertificate> read_signing_certificate(OctetView octets) {
    OctetReader reader(octets);
    SigningCertificate certificate{};
    TRY(expect(reader, certificate_version, 1, "certificate version"));
    TRY(expect(reader, type_signing_by_master, 1, "certificate type"));
    certificate.expires = seconds_per_hour * TRY(reader.u32());
    TRY(expect(reader, key_type_ed25519, 1, "key type"));
    certificate.signing_key = TRY(take_key(reader));
    TRY(expect(reader, 1, 1, "number of extensions"));
    TRY(expect(reader, certificate.master_key.size(), 2, "extension's length"));
    TRY(expect(reader, extension_signed_with, 1, "extension's type"));
    TRY(expect(reader, 0, 1, "extension's flags"));
    certificate.master_key = TRY(take_key(reader));
    TRY(reader.take(ed25519_signature_octets));
    TRY(reader.end());
    return certificate;
}

Result<SigningCertificate> parse_signing_certificate(OctetView octets) {
    const SigningCertificate certificate = TRY(read_signing_certificate(octets));
    const OctetView signature = octets.last(ed25519_signature_octets);
    const OctetView signed_part = octets.first(octets.size() - ed25519_signature_octets);
    if (crypto_sign_verify_detached(signature.data(), signed_part.data(), signed_part.size(), certificate.master_key.data()) != 0)
        return fail(ErrorKind::corrupt, "the signature does not verify with the master key inside");
    return certificate;
}

Octets encode_signing_certificate(const SigningCertificate& certificate, OctetView signature) {
    OctetWriter writer;
    writer.u8(certificate_version).u8(type_signing_by_master).u32(static_cast<std::uint32_t>(certificate.expires / seconds_per_hour));
    writer.u8(key_type_ed25519).raw(certificate.signing_key);
    writer.u8(1).u16(static_cast<std::uint16_t>(certificate.master_key.size())).u8(extension_signed_with).u8(0);
    return writer.raw(certificate.master_key).raw(signature).take();
}

}  // namespace lethe
