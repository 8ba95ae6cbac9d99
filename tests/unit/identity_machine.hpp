#pragma once

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.hpp"
#include "fake_pcrlock.hpp"
#include "identityd/service.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;

// The daemon opens its TPM anew at each restore; this one stays.
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

KeySet copy_of(const KeySet& keys) {
    return {copy_of(keys.files), keys.fingerprints, keys.signing_key_expires, keys.has_master_secret, keys.family_ids};
}

IdentityService::StoreOpener folder_store(const std::filesystem::path& folder) {
    return [=] { return Store::open(folder).transform([](Store&& store) { return OpenedStore{std::move(store), false}; }); };
}

// A tmpfs that a test can look into. Makes alice's keys, then bob's, then fails.
class FakeKeyPlace final : public KeyPlace {
public:
    int made = 0;
    std::map<std::string, Manifest> manifests;
    std::set<std::string> refused;

    Result<KeySet> make() override {
        if (made == 2) return fail(ErrorKind::io, "tor failed");
        return copy_of(keys_of_relay(made++));
    }
    Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) override {
        if (refused.contains(relay)) return fail(ErrorKind::not_found, "there is no user _tor-{}", relay);
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

// An enrolled machine. A restart of the daemon, or a boot, is another Daemon on it.
struct Machine {
    TemporaryFolder folder;
    FakeTpm tpm;
    Secret relays_key, identity_key;

    explicit Machine(const Roster& roster = {{"a", {RelayStage::pending}}, {"b", {RelayStage::pending}}}) {
        const PcrPolicy policy{{11, {(*tpm.read_pcrs(std::array{11u})).at(11)}}};
        tpm.authorize(policy_index_handle, policy);
        auto store = *Store::open(folder.path());
        const auto vault = *seal_new_vault(tpm, policy_index_handle);
        relays_key = vault.key.kind_key(ObjectKind::relays);
        identity_key = vault.key.kind_key(ObjectKind::identity);
        EXPECT_TRUE(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
        EXPECT_TRUE(write_roster(store, relays_key, roster));
        EXPECT_TRUE(store_vault(store, vault.record));
    }
    void damage(const std::string& file) {
        std::fstream slot(folder / file, std::ios::in | std::ios::out | std::ios::binary);
        ASSERT_TRUE(slot) << file;
        slot.seekp(100).put('x').put('y').put('z');
    }
    std::map<std::string, std::string> files() {
        std::map<std::string, std::string> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
            files[entry.path().filename()] = as_text(*read_file(entry.path(), 1 << 20));
        return files;
    }
    Roster roster() { return *read_roster(*Store::open(folder.path()), relays_key); }
};

struct Daemon {
    FakeKeyPlace place;
    IdentityService service;

    explicit Daemon(Machine& machine)
        : service(
              folder_store(machine.folder.path()), [&] { return Result<std::unique_ptr<Tpm>>(std::make_unique<BorrowedTpm>(machine.tpm)); },
              place) {
        service.restore();
    }
    RelayState state(const std::string& relay) { return service.relays().at(relay).state; }
    std::string reason(const std::string& relay) { return service.relays().at(relay).reason; }
};

}  // namespace
}  // namespace lethe
