#pragma once

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.hpp"
#include "borrowed_tpm.hpp"
#include "earlier_vault.hpp"
#include "fake_pcrlock.hpp"
#include "identityd/service.hpp"
#include "rekeyed.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;

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

// A machine that an earlier release has enrolled. A restart of the daemon, or a boot, is another Daemon on it.
struct Machine {
    TemporaryFolder folder;
    FakeTpm tpm;
    Secret relays_key, identity_key;

    explicit Machine(const Roster& roster = {{"a", {RelayStage::pending}}, {"b", {RelayStage::pending}}}) {
        const PcrPolicy policy{{11, {(*tpm.read_pcrs(std::array{11u})).at(11)}}};
        tpm.authorize(policy_index_handle, policy);
        auto store = *Store::open(folder.path());
        const auto vault = *seal_earlier_vault(tpm, policy_index_handle);
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
    // As an earlier release leaves it: whatever a test has written is taken over at the next start.
    void forget_ledger() {
        EXPECT_TRUE(forget_anchor(tpm));
        for (const char* file : {"ledger.a", "ledger.b"}) std::filesystem::remove(folder / file);
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
