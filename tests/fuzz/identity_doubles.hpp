#pragma once

#include <fcntl.h>

#include "../unit/fake_tpm.hpp"
#include "base/file.hpp"
#include "identityd/key_place.hpp"

namespace lethe::fuzz {

/// The files of a relay's keys, alice's or bob's: real ones, from the corpus of another target. Making them takes longer than a run may.
inline KeyFiles files_of(const std::string& relay) {
    const auto payload = read_secret_file(AT_FDCWD, std::filesystem::path(LETHE_FUZZ_CORPUS "/identity") / relay, 1 << 16);
    return std::move(decode_identity(payload.value()).value().files);
}

/// The relays' tmpfs. Makes alice's keys, then bob's, then fails.
class FakeKeyPlace final : public KeyPlace {
public:
    unsigned made = 0;
    bool is_refusing = false;
    std::map<std::string, Manifest> manifests;

    Result<KeySet> make() override {
        if (made == 2) return fail(ErrorKind::io, "tor failed");
        return parse_key_files(files_of(made++ == 0 ? "alice" : "bob"));
    }
    Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) override {
        if (is_refusing) return fail(ErrorKind::not_found, "there is no user _tor-{}", relay);
        manifests[relay] = manifest_of(keys.fingerprints);
        return "/keys/" + relay;
    }
    Result<Manifest> installed(const std::string& relay) override {
        if (!manifests.contains(relay)) return fail(ErrorKind::not_found, "no manifest");
        return manifests[relay];
    }
    Result<void> remove(const std::string& relay) override {
        manifests.erase(relay);
        return {};
    }
    Result<void> withdraw_others(const std::set<std::string>& admitted) override {
        std::erase_if(manifests, [&](const auto& manifest) { return !admitted.contains(manifest.first); });
        return {};
    }
};

}  // namespace lethe::fuzz
