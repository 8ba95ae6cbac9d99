#include <algorithm>

#include "tor/key_names.hpp"
#include "tor/named_files.hpp"

// The layout is in docs/formats.md, "Identity payload".
namespace lethe {

namespace {

constexpr std::uint16_t payload_version = 1;
constexpr NamedFiles named_files{.limit_count = key_file_limit_count, .length_octets = 2};

Result<KeySet> decode_payload(OctetView payload) {
    OctetReader reader(payload);
    const std::uint16_t version = TRY(reader.u16());
    if (version != payload_version)
        return fail(ErrorKind::corrupt, "version {} of the identity payload is not known to this release", version);
    Fingerprints manifest;
    std::ranges::copy(TRY(reader.take(manifest.rsa.size())), manifest.rsa.begin());
    std::ranges::copy(TRY(reader.take(manifest.ed25519.size())), manifest.ed25519.begin());
    KeySet keys = TRY(parse_key_files(TRY(named_files.decode(reader)), Scrutiny::authentic));
    if (keys.fingerprints != manifest)
        return fail(ErrorKind::corrupt, "the keys are those of {} {}, the manifest says {} {}", keys.fingerprints.rsa_hex(),
                    keys.fingerprints.ed25519_base64(), manifest.rsa_hex(), manifest.ed25519_base64());
    return keys;
}

}  // namespace

Secret encode_identity(const KeySet& keys) {
    const auto& [rsa, ed25519] = keys.fingerprints;
    return named_files.encode(OctetWriter().u16(payload_version).raw(rsa).raw(ed25519).octets(), keys.files);
}

Result<KeySet> decode_identity(const Secret& payload) {
    auto keys = decode_payload(payload.expose());
    // To whoever opens a sealed object, a missing file is damage and not a wrong request.
    if (!keys && keys.error().kind == ErrorKind::invalid_argument) keys.error().kind = ErrorKind::corrupt;
    return keys;
}

}  // namespace lethe
