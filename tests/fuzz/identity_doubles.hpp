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

/// The daemon opens its TPM anew at each restore; this one stays.
class BorrowedTpm final : public Tpm {
public:
    explicit BorrowedTpm(Tpm& tpm) : tpm_(tpm) {}
    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override { return tpm_.read_pcrs(pcrs); }
    Result<TpmReference> storage_root() override { return tpm_.storage_root(); }
    Result<TpmReference> nv_index(std::uint32_t handle) override { return tpm_.nv_index(handle); }
    Result<NvArea> nv_area(std::uint32_t handle) override { return tpm_.nv_area(handle); }
    Result<NvLimits> nv_limits() override { return tpm_.nv_limits(); }
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override { return tpm_.nv_define(handle, octets); }
    Result<void> nv_undefine(std::uint32_t handle) override { return tpm_.nv_undefine(handle); }
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override {
        return tpm_.nv_write(handle, offset, octets);
    }
    Result<Octets> nv_read(std::uint32_t handle) override { return tpm_.nv_read(handle); }
    Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) override {
        return tpm_.nv_read(handle, offset, count);
    }
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override {
        return tpm_.seal(root, secret, policy);
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return tpm_.unseal(root, index, object, policy);
    }

private:
    Tpm& tpm_;
};

}  // namespace lethe::fuzz
