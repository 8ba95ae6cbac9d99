#include "vault/object.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "vault/compression.hpp"

namespace lethe {

namespace {

constexpr std::string_view magic = "LETHEOBJ";
constexpr std::uint16_t format_version = 1;
constexpr std::size_t name_octets = 32;
constexpr std::size_t nonce_octets = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_octets = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t checksum_octets = 32;
constexpr std::size_t header_octets = 8 + 2 + 1 + 1 + 8 + name_octets + 4 + 4 + nonce_octets;

enum class Protection : std::uint8_t { framed = 0, encrypted = 1, framed_compressed = 2 };

struct Header {
    Protection protection;
    std::uint64_t generation;
    std::uint32_t plain_octets;
    std::uint32_t body_octets;  // what follows the header, tag or checksum included
    OctetView nonce;
};

Octets encode_header(const ObjectId& id, const Header& header) {
    OctetWriter writer;
    writer.raw(as_octets(magic))
        .u16(format_version)
        .u8(static_cast<std::uint8_t>(id.kind))
        .u8(static_cast<std::uint8_t>(header.protection));
    Octets name(name_octets, 0);
    std::ranges::copy(as_octets(id.name), name.begin());
    writer.u64(header.generation).raw(name).u32(header.plain_octets).u32(header.body_octets).raw(header.nonce);
    return writer.take();
}

// Checks everything in the header but the body; leaves `reader` at the body.
Result<Header> decode_header(OctetReader& reader, std::initializer_list<Protection> protections, const ObjectId& id) {
    if (as_text(TRY(reader.take(magic.size()))) != magic) return fail(ErrorKind::corrupt, "not an object of the store");
    if (const auto version = TRY(reader.u16()); version != format_version)
        return fail(ErrorKind::corrupt, "format version {} is not known to this release", version);
    const auto kind = TRY(reader.u8());
    Header header{};
    header.protection = Protection{TRY(reader.u8())};
    header.generation = TRY(reader.u64());
    if (header.generation == 0) return fail(ErrorKind::corrupt, "its generation is 0, and they begin at 1");
    const OctetView name = TRY(reader.take(name_octets));
    Octets expected_name(name_octets, 0);
    std::ranges::copy(as_octets(id.name), expected_name.begin());
    if (kind != static_cast<std::uint8_t>(id.kind) || !std::ranges::contains(protections, header.protection) ||
        !std::ranges::equal(name, expected_name))
        return fail(ErrorKind::corrupt, "the object of another name or kind lies here");
    header.plain_octets = TRY(reader.u32());
    header.body_octets = TRY(reader.u32());
    header.nonce = TRY(reader.take(nonce_octets));
    if (header.plain_octets > payload_limit_octets)
        return fail(ErrorKind::corrupt, "claims {} octets, more than any object has", header.plain_octets);
    return header;
}

// The kind key is shared by all objects of the kind; each name has its own.
Secret name_key(const Secret& kind_key, const ObjectId& id) {
    Secret key(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    crypto_generichash(key.expose_mutable().data(), key.size(), as_octets(id.name).data(), id.name.size(), kind_key.expose().data(),
                       kind_key.size());
    return key;
}

std::array<std::uint8_t, checksum_octets> checksum(OctetView header, OctetView payload) {
    std::array<std::uint8_t, checksum_octets> sum;
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, sum.size());
    crypto_generichash_update(&state, header.data(), header.size());
    crypto_generichash_update(&state, payload.data(), payload.size());
    crypto_generichash_final(&state, sum.data(), sum.size());
    return sum;
}

}  // namespace

std::string file_stem(const ObjectId& id) {
    switch (id.kind) {
        case ObjectKind::vault:
            return "vault";
        case ObjectKind::policy:
            return "policy";
        case ObjectKind::relays:
            return "relays";
        case ObjectKind::identity:
            return "identity-" + id.name;
        case ObjectKind::enrolling:
            return "enrolling";
        case ObjectKind::recovery:
            return "recovery";
        case ObjectKind::keyring:
            return "keyring";
        case ObjectKind::state:
            return "state";
        case ObjectKind::minimal:
            return "minimal";
        case ObjectKind::ledger:
            return "ledger";
        case ObjectKind::policy_copy:
            return "policy-copy";
    }
    std::unreachable();
}

Result<void> check_relay_name(std::string_view name) {
    const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const bool valid = !name.empty() && name.size() <= 19 && is_lower(name.front()) &&
                       std::ranges::all_of(name, [&](char c) { return is_lower(c) || is_digit(c); });
    if (!valid)
        return fail(ErrorKind::invalid_argument, "a relay's name is a lower-case letter and up to 18 lower-case letters and digits");
    return {};
}

Octets encrypt_object(const Secret& key, const ObjectId& id, std::uint64_t generation, const Secret& payload) {
    const Secret compressed = compress(payload);
    std::array<std::uint8_t, nonce_octets> nonce;
    randombytes_buf(nonce.data(), nonce.size());
    const auto body_octets = static_cast<std::uint32_t>(compressed.size() + tag_octets);
    Octets slot = encode_header(id, {Protection::encrypted, generation, static_cast<std::uint32_t>(payload.size()), body_octets, nonce});
    slot.resize(header_octets + body_octets);
    crypto_aead_xchacha20poly1305_ietf_encrypt(slot.data() + header_octets, nullptr, compressed.expose().data(), compressed.size(),
                                               slot.data(), header_octets, nullptr, nonce.data(), name_key(key, id).expose().data());
    return slot;
}

Result<ObjectVersion> decrypt_object(const Secret& key, const ObjectId& id, OctetView slot) {
    OctetReader reader(slot);
    const Header header = TRY(decode_header(reader, {Protection::encrypted}, id));
    const OctetView body = TRY(reader.take(header.body_octets));
    if (body.size() < tag_octets) return fail(ErrorKind::corrupt, "cut short");
    Secret compressed(body.size() - tag_octets);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(compressed.expose_mutable().data(), nullptr, nullptr, body.data(), body.size(),
                                                   slot.data(), header_octets, header.nonce.data(), name_key(key, id).expose().data()) != 0)
        return fail(ErrorKind::corrupt, "does not authenticate: damaged, or from another vault");
    return ObjectVersion{header.generation, TRY(decompress(compressed, header.plain_octets))};
}

std::size_t object_octets(OctetView slot) {
    constexpr std::size_t body_octets_at = header_octets - nonce_octets - sizeof(std::uint32_t);
    return header_octets + OctetReader(slot.subspan(body_octets_at)).u32().value();
}

Octets frame_object(const ObjectId& id, std::uint64_t generation, OctetView payload) {
    const std::array<std::uint8_t, nonce_octets> no_nonce{};
    const Secret compressed = compress(Secret::copy_of(payload));
    const bool smaller = compressed.size() < payload.size();
    const OctetView stored = smaller ? compressed.expose() : payload;
    Octets slot = encode_header(
        id, {smaller ? Protection::framed_compressed : Protection::framed, generation, static_cast<std::uint32_t>(payload.size()),
             static_cast<std::uint32_t>(stored.size() + checksum_octets), no_nonce});
    const auto sum = checksum(slot, stored);
    slot.insert(slot.end(), stored.begin(), stored.end());
    slot.insert(slot.end(), sum.begin(), sum.end());
    return slot;
}

Result<ObjectVersion> unframe_object(const ObjectId& id, OctetView slot) {
    OctetReader reader(slot);
    const Header header = TRY(decode_header(reader, {Protection::framed, Protection::framed_compressed}, id));
    const OctetView body = TRY(reader.take(header.body_octets));
    if (body.size() < checksum_octets) return fail(ErrorKind::corrupt, "cut short");
    const OctetView stored = body.first(body.size() - checksum_octets);
    if (!std::ranges::equal(checksum(slot.first(header_octets), stored), body.last(checksum_octets)))
        return fail(ErrorKind::corrupt, "its checksum does not match: a torn write");
    if (header.protection == Protection::framed_compressed)
        return ObjectVersion{header.generation, TRY(decompress(Secret::copy_of(stored), header.plain_octets))};
    if (stored.size() != header.plain_octets) return fail(ErrorKind::corrupt, "the lengths in its header do not agree");
    return ObjectVersion{header.generation, Secret::copy_of(stored)};
}

}  // namespace lethe
