#include "vault/sealed_export.hpp"

#include <sodium.h>

#include <algorithm>

#include "vault/object.hpp"

namespace lethe {

namespace {

constexpr std::string_view magic = "LETHEEXP";
constexpr std::uint16_t unsigned_version = 1;
constexpr std::uint16_t signed_version = 2;
constexpr std::size_t sender_octets = 32;
constexpr std::uint64_t sender_subkey = 1;  // part of the format
constexpr std::string_view sender_purpose = "lethe export sender";
constexpr std::size_t name_octets = 32;
constexpr std::size_t public_key_octets = crypto_box_PUBLICKEYBYTES;
constexpr std::size_t salt_octets = crypto_pwhash_SALTBYTES;
constexpr std::size_t nonce_octets = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_octets = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t file_key_octets = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t padding_octets = 512;
constexpr std::uint32_t most_passes = 16;
constexpr std::uint32_t most_memory_octets = 1 << 30;

struct Argon2 {
    OctetView salt;
    std::uint32_t passes = 3;
    std::uint32_t memory_octets = 64 << 20;
};

/// An export file taken apart. Borrows its octets.
struct Parts {
    ExportHeader header{};
    OctetView box;  // the file key, sealed to the recipient
    Argon2 argon2;  // what makes the file key of a passphrase
    OctetView all;  // everything before the body: associated data
    OctetView nonce;
    OctetView body;
};

Result<Secret> file_key_from(const Secret& passphrase, const Argon2& argon2) {
    Secret key(file_key_octets);
    if (crypto_pwhash(key.expose_mutable().data(), key.size(), reinterpret_cast<const char*>(passphrase.expose().data()), passphrase.size(),
                      argon2.salt.data(), argon2.passes, argon2.memory_octets, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return fail(ErrorKind::io,
                    "cannot have the {} KiB of memory that the passphrase needs; free some, or raise LimitMEMLOCK= of the unit",
                    argon2.memory_octets >> 10);
    return key;
}

Octets name_field(const std::string& relay) {
    Octets name(name_octets, 0);
    std::ranges::copy(as_octets(relay), name.begin());
    return name;
}

OctetWriter begin(const std::string& relay, ExportProtection protection, const Secret* sender) {
    OctetWriter writer;
    writer.raw(as_octets(magic)).u16(sender ? signed_version : unsigned_version);
    writer.u8(static_cast<std::uint8_t>(protection)).raw(name_field(relay));
    return writer;
}

// Within what is encrypted: to everybody else two exports of one vault have nothing in common.
std::array<std::uint8_t, sender_octets> sender_tag(const Secret& sender, const std::string& relay, const Secret& payload) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, sender.expose().data(), sender.size(), sender_octets);
    const Octets name = name_field(relay);
    for (const OctetView part : {as_octets(sender_purpose), OctetView(name), payload.expose()})
        crypto_generichash_update(&state, part.data(), part.size());
    std::array<std::uint8_t, sender_octets> tag;
    crypto_generichash_final(&state, tag.data(), tag.size());
    sodium_memzero(&state, sizeof state);
    return tag;
}

Secret with_sender(const std::string& relay, const Secret& payload, const Secret* sender) {
    if (!sender) return Secret::copy_of(payload.expose());
    const auto tag = sender_tag(*sender, relay, payload);
    Secret whole(tag.size() + payload.size());
    std::ranges::copy(tag, whole.expose_mutable().begin());
    std::ranges::copy(payload.expose(), whole.expose_mutable().begin() + tag.size());
    return whole;
}

Result<Export> export_of(const Parts& parts, const Secret& plain) {
    if (parts.header.version == unsigned_version) return Export{parts.header.relay, Secret::copy_of(plain.expose())};
    if (plain.size() < sender_octets) return fail(ErrorKind::corrupt, "it is damaged: take another copy");
    Export opened{parts.header.relay, Secret::copy_of(plain.expose().subspan(sender_octets))};
    std::ranges::copy(plain.expose().first(sender_octets), opened.sender.emplace().begin());
    return opened;
}

Secret padded(const Secret& payload) {
    Secret whole((payload.size() / padding_octets + 1) * padding_octets);
    std::ranges::copy(payload.expose(), whole.expose_mutable().begin());
    std::size_t size = 0;
    sodium_pad(&size, whole.expose_mutable().data(), payload.size(), padding_octets, whole.size());
    return whole;
}

Result<Octets> finish(OctetWriter writer, const Secret& file_key, const Secret& payload) {
    if (payload.size() > export_limit_octets)
        return fail(ErrorKind::invalid_argument, "{} octets are more than an export holds", payload.size());
    const Secret plain = padded(payload);
    std::array<std::uint8_t, nonce_octets> nonce;
    randombytes_buf(nonce.data(), nonce.size());
    Octets file = writer.raw(nonce).u32(static_cast<std::uint32_t>(plain.size() + tag_octets)).take();
    const std::size_t header_octets = file.size();
    file.resize(header_octets + plain.size() + tag_octets);
    if (file.size() > export_limit_octets)
        return fail(ErrorKind::invalid_argument, "{} octets are more than an export holds", payload.size());
    crypto_aead_xchacha20poly1305_ietf_encrypt(file.data() + header_octets, nullptr, plain.expose().data(), plain.size(), file.data(),
                                               header_octets, nullptr, nonce.data(), file_key.expose().data());
    return file;
}

Result<Secret> decrypt(const Parts& parts, const Secret& file_key) {
    Secret plain(parts.body.size() - tag_octets);
    std::size_t size = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.expose_mutable().data(), nullptr, nullptr, parts.body.data(), parts.body.size(),
                                                   parts.all.data(), parts.all.size(), parts.nonce.data(), file_key.expose().data()) != 0 ||
        sodium_unpad(&size, plain.expose().data(), plain.size(), padding_octets) != 0)
        return fail(ErrorKind::corrupt, "it is damaged: take another copy");
    return plain.prefix(size);
}

Result<std::string> read_name(OctetReader& reader) {
    const std::string_view field = as_text(TRY(reader.take(name_octets)));
    const std::string name(field.substr(0, field.find('\0')));
    if (!check_relay_name(name) || field.find_first_not_of('\0', name.size()) != field.npos)
        return fail(ErrorKind::corrupt, "it names no relay");
    return name;
}

Result<void> read_recipient(OctetReader& reader, Parts& parts) {
    const auto recipient = RecoveryPublicKey::from(TRY(reader.take(public_key_octets)));
    if (!recipient) return fail(ErrorKind::corrupt, "it names no public key");
    parts.header.recipient = *recipient;
    parts.box = TRY(reader.take(key_box_octets));
    return {};
}

Result<void> read_argon2(OctetReader& reader, Parts& parts) {
    parts.argon2.salt = TRY(reader.take(salt_octets));
    parts.argon2.passes = TRY(reader.u32());
    parts.argon2.memory_octets = TRY(reader.u32());
    if (parts.argon2.passes < crypto_pwhash_OPSLIMIT_MIN || parts.argon2.passes > most_passes ||
        parts.argon2.memory_octets < crypto_pwhash_MEMLIMIT_MIN || parts.argon2.memory_octets > most_memory_octets)
        return fail(ErrorKind::corrupt, "it asks for {} passes over {} octets of memory, which no export does", parts.argon2.passes,
                    parts.argon2.memory_octets);
    return {};
}

Result<void> read_body(OctetReader& reader, Parts& parts) {
    const auto size = TRY(reader.u32());
    if (size != reader.rest().size())
        return fail(ErrorKind::corrupt, "it has {} octets where {} are expected: take another copy", reader.rest().size(), size);
    if (size <= tag_octets || (size - tag_octets) % padding_octets != 0) return fail(ErrorKind::corrupt, "its length cannot be");
    parts.body = reader.rest();
    return {};
}

Result<Parts> parse(OctetView file) {
    OctetReader reader(file);
    if (file.size() > export_limit_octets || !std::ranges::equal(file.first(std::min(file.size(), magic.size())), as_octets(magic)))
        return fail(ErrorKind::corrupt, "it was not made by `lethectl identity export`");
    TRY(reader.take(magic.size()));
    Parts parts;
    parts.header.version = TRY(reader.u16());
    if (parts.header.version != unsigned_version && parts.header.version != signed_version)
        return fail(ErrorKind::corrupt, "version {} is not known to this release", parts.header.version);
    parts.header.protection = ExportProtection{TRY(reader.u8())};
    parts.header.relay = TRY(read_name(reader));
    switch (parts.header.protection) {
        case ExportProtection::recipient:
            TRY(read_recipient(reader, parts));
            break;
        case ExportProtection::passphrase:
            TRY(read_argon2(reader, parts));
            break;
        default:
            return fail(ErrorKind::corrupt, "protection {} is not known to this release", static_cast<unsigned>(parts.header.protection));
    }
    parts.nonce = TRY(reader.take(nonce_octets));
    TRY(read_body(reader, parts));
    parts.all = file.first(file.size() - parts.body.size());
    return parts;
}

Result<Parts> take_apart(OctetView file) {
    auto parts = parse(file);
    if (!parts) return in_context(parts.error(), "this is no whole export file");
    return parts;
}

}  // namespace

Secret export_authentication(const Secret& identity_key) {
    Secret key(crypto_kdf_KEYBYTES);
    crypto_kdf_derive_from_key(key.expose_mutable().data(), key.size(), sender_subkey, "lethe-ex", identity_key.expose().data());
    return key;
}

bool is_sent_by(const Export& opened, const Secret& vault) {
    if (!opened.sender) return false;
    const auto tag = sender_tag(vault, opened.relay, opened.payload);
    return sodium_memcmp(tag.data(), opened.sender->data(), tag.size()) == 0;
}

Result<Octets> seal_export(const std::string& relay, const Secret& payload, const RecoveryPublicKey& recipient, const Secret* sender) {
    TRY(check_relay_name(relay));
    const Secret file_key = Secret::random(file_key_octets);
    OctetWriter writer = begin(relay, ExportProtection::recipient, sender);
    writer.raw(recipient.octets()).raw(box_key(BoxedKey::exported, file_key, recipient));
    return finish(std::move(writer), file_key, with_sender(relay, payload, sender));
}

Result<Octets> seal_export_with_passphrase(const std::string& relay, const Secret& payload, const Secret& passphrase,
                                           const Secret* sender) {
    TRY(check_relay_name(relay));
    if (passphrase.size() < least_passphrase_octets)
        return fail(ErrorKind::invalid_argument,
                    "the passphrase has {} octets: whoever gets the file can try short ones at leisure; take at least {}, or better six "
                    "words drawn by lot",
                    passphrase.size(), least_passphrase_octets);
    std::array<std::uint8_t, salt_octets> salt;
    randombytes_buf(salt.data(), salt.size());
    const Argon2 argon2{.salt = salt};
    const Secret file_key = TRY(file_key_from(passphrase, argon2));
    OctetWriter writer = begin(relay, ExportProtection::passphrase, sender);
    writer.raw(argon2.salt).u32(argon2.passes).u32(argon2.memory_octets);
    return finish(std::move(writer), file_key, with_sender(relay, payload, sender));
}

Result<ExportHeader> read_export_header(OctetView file) { return TRY(take_apart(file)).header; }

Result<Export> open_export(OctetView file, const RecoverySecretKey& secret_key) {
    const Parts parts = TRY(take_apart(file));
    if (!parts.header.recipient)
        return fail(ErrorKind::invalid_argument, "the export of {} is under a passphrase: that opens it, and no recovery key does",
                    parts.header.relay);
    if (const RecoveryPublicKey own = public_key_of(secret_key); own != *parts.header.recipient)
        return fail(ErrorKind::invalid_argument, "the export of {} is sealed to {}; the secret key that was given belongs to {}",
                    parts.header.relay, encode_recovery_public(*parts.header.recipient), encode_recovery_public(own));
    auto payload = unbox_key(BoxedKey::exported, parts.box, secret_key).and_then([&](const Secret& key) { return decrypt(parts, key); });
    auto opened = payload.and_then([&](const Secret& plain) { return export_of(parts, plain); });
    if (!opened) return in_context(opened.error(), "the export of " + parts.header.relay);
    return opened;
}

Result<Export> open_export(OctetView file, const Secret& passphrase) {
    const Parts parts = TRY(take_apart(file));
    if (parts.header.recipient)
        return fail(ErrorKind::invalid_argument,
                    "the export of {} is sealed to the recovery key {}: its secret half opens it, and no passphrase", parts.header.relay,
                    encode_recovery_public(*parts.header.recipient));
    auto payload = decrypt(parts, TRY(file_key_from(passphrase, parts.argon2)));
    if (!payload)
        return fail(ErrorKind::invalid_argument,
                    "the export of {} does not open: the passphrase is wrong, or the file is damaged; try again, then another copy",
                    parts.header.relay);
    return export_of(parts, *payload);
}

}  // namespace lethe
