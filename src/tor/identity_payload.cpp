#include <algorithm>

#include "base/secret_writer.hpp"
#include "tor/key_names.hpp"
#include "tor/key_set.hpp"

// The layout is in docs/formats.md, "Identity payload".
namespace lethe {

namespace {

constexpr std::uint16_t payload_version = 1;

std::size_t encoded_size(const KeySet& keys) {
    std::size_t size = 2 + keys.fingerprints.rsa.size() + keys.fingerprints.ed25519.size() + 2;
    for (const auto& [name, octets] : keys.files) size += 2 + name.size() + 2 + octets.size();
    return size;
}

Result<KeyFiles> decode_files(OctetReader& reader) {
    KeyFiles files;
    const std::uint16_t count = TRY(reader.u16());
    if (count > key_file_limit_count) return fail(ErrorKind::corrupt, "{} files, more than {}", count, key_file_limit_count);
    for (unsigned i = 0; i < count; ++i) {
        const std::string name(as_text(TRY(reader.sized16())));
        // One form for one set of files: names in order, none twice.
        if (!files.empty() && name <= files.rbegin()->first) return fail(ErrorKind::corrupt, "the files are not in order of name");
        files.emplace(name, Secret::copy_of(TRY(reader.sized16())));
    }
    TRY(reader.end());
    return files;
}

Result<KeySet> decode_payload(OctetView payload) {
    OctetReader reader(payload);
    const std::uint16_t version = TRY(reader.u16());
    if (version != payload_version)
        return fail(ErrorKind::corrupt, "version {} of the identity payload is not known to this release", version);
    Fingerprints manifest;
    std::ranges::copy(TRY(reader.take(manifest.rsa.size())), manifest.rsa.begin());
    std::ranges::copy(TRY(reader.take(manifest.ed25519.size())), manifest.ed25519.begin());
    KeySet keys = TRY(parse_key_files(TRY(decode_files(reader)), Scrutiny::authentic));
    if (keys.fingerprints != manifest)
        return fail(ErrorKind::corrupt, "the keys are those of {} {}, the manifest says {} {}", keys.fingerprints.rsa_hex(),
                    keys.fingerprints.ed25519_base64(), manifest.rsa_hex(), manifest.ed25519_base64());
    return keys;
}

}  // namespace

Secret encode_identity(const KeySet& keys) {
    SecretWriter writer(encoded_size(keys));
    writer.u16(payload_version);
    writer.raw(keys.fingerprints.rsa);
    writer.raw(keys.fingerprints.ed25519);
    writer.u16(keys.files.size());
    for (const auto& [name, octets] : keys.files) {
        writer.u16(name.size());
        writer.raw(as_octets(name));
        writer.u16(octets.size());
        writer.raw(octets.expose());
    }
    return writer.take();
}

Result<KeySet> decode_identity(const Secret& payload) {
    auto keys = decode_payload(payload.expose());
    // To whoever opens a sealed object, a missing file is damage and not a wrong request.
    if (!keys && keys.error().kind == ErrorKind::invalid_argument) keys.error().kind = ErrorKind::corrupt;
    return keys;
}

}  // namespace lethe
