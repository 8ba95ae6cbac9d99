#include "relay/manifest.hpp"

#include <nlohmann/json.hpp>

#include "base/file.hpp"

namespace lethe {

Manifest manifest_of(const Fingerprints& fingerprints) { return {fingerprints.rsa_hex(), fingerprints.ed25519_base64()}; }

std::string encode_manifest(const Fingerprints& fingerprints) {
    const auto manifest = manifest_of(fingerprints);
    return nlohmann::json{{"fingerprint", manifest.fingerprint}, {"ed25519", manifest.ed25519_identity}}.dump() + "\n";
}

Result<Manifest> read_manifest(const std::filesystem::path& file) {
    const auto octets = TRY(read_file(file, 4096));
    const auto json = nlohmann::json::parse(as_text(octets), nullptr, false);
    const auto text = [&](const char* key) -> const std::string* {
        if (!json.is_object() || !json.contains(key)) return nullptr;
        return json[key].get_ptr<const std::string*>();
    };
    const auto *fingerprint = text("fingerprint"), *ed25519 = text("ed25519");
    if (!fingerprint || !ed25519) return fail(ErrorKind::corrupt, "{} is not a manifest", file.native());
    return Manifest{*fingerprint, *ed25519};
}

}  // namespace lethe
