// freeze FOLDER   makes this generation's machine: built in commit 940c2a6, whose formats it keeps, and in no other. See ../../README.md.

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "../unit/fake_pcrlock.hpp"
#include "../unit/software_tpm.hpp"
#include "identityd/service.hpp"
#include "tor/key_folder.hpp"

using namespace lethe;
using nlohmann::ordered_json;

namespace {

class TorAlone final : public KeyPlace {
public:
    explicit TorAlone(std::filesystem::path scratch) : scratch_(std::move(scratch)) {}
    Result<KeySet> make() override { return create_keys("/usr/bin/tor", scratch_); }
    Result<std::filesystem::path> install(const std::string& relay, const KeySet&) override { return "/keys/" + relay; }
    Result<Manifest> installed(const std::string&) override { return fail(ErrorKind::not_found, "nothing is installed"); }
    Result<void> withdraw_others(const std::set<std::string>&) override { return {}; }

private:
    std::filesystem::path scratch_;
};

Result<void> enroll(SoftwareTpm& tpm, const std::filesystem::path& folder, const PcrPolicy& policy, const Roster& roster) {
    tpm.authorize(policy_index_handle, policy);
    auto store = TRY(Store::open(folder));
    const auto vault = TRY(seal_new_vault(tpm, policy_index_handle));
    TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    TRY(write_roster(store, vault.key.kind_key(ObjectKind::relays), roster));
    return store_vault(store, vault.record);
}

ordered_json relays_of(const IdentityService& service) {
    ordered_json relays;
    for (const auto& [name, relay] : service.relays()) {
        if (relay.state != RelayState::installed) throw std::runtime_error(name + ": " + relay.reason);
        relays[name] = {{"fingerprint", relay.fingerprints->rsa_hex()},
                        {"ed25519", relay.fingerprints->ed25519_base64()},
                        {"has_master_key", true},
                        {"family_ids", ordered_json::array()}};
    }
    return relays;
}

}  // namespace

int main(int, char** arguments) {
    const std::filesystem::path folder = arguments[1];
    std::filesystem::create_directories(folder / "store");
    ordered_json manifest{{"store", "folder"}};
    {
        SoftwareTpm tpm(folder / "tpm");
        PcrPolicy policy{{4, {}}, {11, {digest_of(0x11)}}};
        for (const auto& [pcr, digest] : {std::pair{4u, digest_of(0x41)}, {4u, digest_of(0x42)}, {11u, digest_of(0x43)}}) {
            tpm.extend(pcr, digest);
            manifest["extended"].push_back({{"pcr", pcr}, {"digest", to_hex(digest)}});
        }
        const auto values = tpm.read_pcrs(std::array{4u, 11u}).value();
        for (auto& [pcr, admitted] : policy) {
            admitted.push_back(values.at(pcr));
            manifest["pcrs"][std::to_string(pcr)] = to_hex(values.at(pcr));
        }
        enroll(tpm, folder / "store", policy, {{"alice", RelayStage::pending}, {"bob", RelayStage::pending}}).value();
    }
    TorAlone tor(folder);
    IdentityService service(
        folder / "store", [&]() -> Result<std::unique_ptr<Tpm>> { return std::make_unique<SoftwareTpm>(folder / "tpm"); }, tor);
    service.restore();
    manifest["relays"] = relays_of(service);
    SoftwareTpm(folder / "tpm").power_cycle();
    std::ofstream(folder / "manifest.json") << manifest.dump(2) << "\n";
}
