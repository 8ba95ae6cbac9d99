// restore make STORE PAYLOADS RELAYS   enrols the machine with the TPM at $LETHE_TCTI, and makes a store with so many relays in STORE; what
//                                      each relay's identity holds goes into PAYLOADS, for others to seal and open
// restore run STORE RUNTIME            what lethe-identityd does before it answers: opens the vault, and restores every relay to RUNTIME

#include <pwd.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "../unit/earlier_vault.hpp"
#include "../unit/fake_pcrlock.hpp"
#include "identityd/service.hpp"
#include "tor/key_folder.hpp"
#include "tpm/esys_tpm.hpp"

using namespace lethe;

namespace {

Result<std::unique_ptr<Tpm>> open_tpm() { return open_esys_tpm(default_tcti()); }

Result<PcrPolicy> authorize(Tpm& tpm) {
    const auto values = TRY(tpm.read_pcrs(std::array{4u, 11u}));
    const PcrPolicy policy{{4, {values.at(4)}}, {11, {values.at(11)}}};
    const auto content = authorized_policy_content(TRY(pcrlock_policy(policy)));
    if (!tpm.nv_index(policy_index_handle)) TRY(tpm.nv_define(policy_index_handle, static_cast<std::uint16_t>(content.size())));
    TRY(tpm.nv_write(policy_index_handle, 0, content));
    return policy;
}

Result<void> make(const std::filesystem::path& folder, const std::filesystem::path& payloads, int relays) {
    const auto tpm = TRY(open_tpm());
    const auto policy = TRY(authorize(*tpm));
    auto store = TRY(Store::open(folder));
    const auto vault = TRY(seal_earlier_vault(*tpm, policy_index_handle));
    TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    const auto keyring = open_keyring(store, false, vault.key);
    // All have the same keys: no relay that is restored looks at another.
    const auto keys = TRY(create_keys("/usr/bin/tor", payloads));
    const auto payload = encode_identity(keys);
    Roster roster;
    for (int i = 0; i < relays; ++i) {
        const auto name = "relay" + std::to_string(i);
        TRY(keyring->write(name, keys));
        roster[name] = {RelayStage::created, keys.fingerprints.rsa};
        std::ofstream(payloads / name, std::ios::binary) << as_text(payload.expose());
    }
    TRY(keyring->write_roster(roster));
    return store_vault(store, vault.record);
}

Result<void> restore(const std::filesystem::path& store, const std::filesystem::path& runtime) {
    TRY(lock_down_process());
    MachineKeyPlace place({.paths = {runtime}, .tor = "/usr/bin/tor", .user_prefix = "", .fixed_user = ::getpwuid(::getuid())->pw_name});
    IdentityService service(
        [&] { return Store::open(store).transform([](Store&& opened) { return OpenedStore{std::move(opened), false}; }); }, open_tpm,
        place);
    service.restore();
    if (service.vault().state != VaultState::open) return std::unexpected(*service.vault().reason);
    for (const auto& [name, relay] : service.relays()) {
        if (relay.state != RelayState::installed) return fail(ErrorKind::corrupt, "{}: {}", name, relay.reason);
    }
    return {};
}

}  // namespace

int main(int count, char** values) {
    const std::vector<std::string> arguments(values + 1, values + count);
    Result<void> done = fail(ErrorKind::invalid_argument, "see the head of tests/bench/restore.cpp");
    if (arguments.size() == 4 && arguments[0] == "make") done = make(arguments[1], arguments[2], std::atoi(values[4]));
    if (arguments.size() == 3 && arguments[0] == "run") done = restore(arguments[1], arguments[2]);
    if (!done) std::cerr << "restore: " << done.error().message << "\n";
    return done ? 0 : 1;
}
