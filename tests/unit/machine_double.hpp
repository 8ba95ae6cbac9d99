#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "borrowed_tpm.hpp"
#include "copied_tpm.hpp"
#include "enroll/enroll.hpp"
#include "fake_pcrlock.hpp"
#include "identityd/service.hpp"

namespace lethe {

/// Told before each thing that outlives a boot.
using Before = std::function<void(const std::string& what)>;

/// A key set of its own for each number below key_pool_count, made by the real tor once.
constexpr int key_pool_count = 8;
const KeySet& pooled_keys(int number);
KeySet clone(const KeySet& keys);

/// Makes of a store one that an earlier release has written, which no TPM counts: without its ledger, or the keyring's stamp.
void make_unanchored(Store& store, Tpm& tpm, bool in_tpm, const VaultKey& key);

/// A borrowed TPM that power can leave: there is a place before each command that changes it.
class CutTpm final : public BorrowedTpm {
public:
    using BeforeWrite = std::function<void(std::uint32_t handle, std::uint16_t offset, OctetView octets)>;

    CutTpm(Tpm& tpm, Before before, BeforeWrite before_write)
        : BorrowedTpm(tpm), before_(std::move(before)), before_write_(std::move(before_write)) {}

    Result<TpmReference> storage_root() override;
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override;
    Result<void> nv_undefine(std::uint32_t handle) override;
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override;
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override;
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override;

private:
    Before before_;
    BeforeWrite before_write_;
};

/// systemd-pcrlock with a place before each thing that make-policy changes. @param tpm  FakeTpm or SoftwareTpm: where the index is.
template <class IndexTpm>
class PolicyMaker final : public FakePcrlock {
public:
    /// @param present  has the PCRs that are predicted.
    PolicyMaker(FakeTpm& present, IndexTpm& tpm, Before before) : FakePcrlock(present), tpm_(tpm), before_(std::move(before)) {}

    Result<void> make_policy(std::span<const unsigned> pcrs, const PolicyKeys& keys) override {
        const PcrPolicy policy = TRY(predict(pcrs));
        if (tpm_.nv_index(keys.index)) return fail(ErrorKind::io, "NV index already allocated");  // as the real one, without its file
        before_("systemd-pcrlock defines the index");
        tpm_.define_index(keys.index);
        before_("systemd-pcrlock writes the index");
        tpm_.write_index(keys.index, authorized_policy_content(pcrlock_policy(policy).value()));
        before_("systemd-pcrlock writes its file");
        file_ = policy_json(policy, keys.index);
        return {};
    }

private:
    IndexTpm& tpm_;
    Before before_;
};

/// A tmpfs that a test can look into. What was installed once is told to `seen`. Makes another key set of the pool each time.
class MemoryKeyPlace final : public KeyPlace {
public:
    MemoryKeyPlace(int& made, std::map<std::string, std::string>& seen) : made_(made), seen_(seen) {}
    std::map<std::string, Manifest> manifests;

    Result<KeySet> make() override { return clone(pooled_keys(made_++)); }
    Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) override {
        manifests[relay] = manifest_of(keys.fingerprints);
        seen_[relay] = keys.fingerprints.rsa_hex();
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

private:
    int& made_;
    std::map<std::string, std::string>& seen_;
};

}  // namespace lethe
