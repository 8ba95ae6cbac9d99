// freeze FOLDER   makes the machines of a generation in FOLDER, as this release writes them. Their keys are made for the tests. See
//                 README.md

#include <fstream>
#include <iostream>

#include "../unit/fake_pcrlock.hpp"
#include "../unit/tor_keys.hpp"
#include "frozen_machine.hpp"

using namespace lethe;

namespace {

const std::string passphrase = "frozen for the tests";

// One PCR with one value, and one with two, as the phases of a boot make them.
PcrPolicy measure(SoftwareTpm& tpm, FrozenMachine& machine) {
    machine.extended = {{4, digest_of(0x41)}, {4, digest_of(0x42)}, {11, digest_of(0x43)}};
    for (const auto& [pcr, digest] : machine.extended) tpm.extend(pcr, digest);
    machine.pcrs = tpm.read_pcrs(std::array{4u, 11u}).value();
    return {{4, {machine.pcrs.at(4)}}, {11, {digest_of(0x11), machine.pcrs.at(11)}}};
}

Result<void> enroll(Tpm& tpm, Store store, bool in_tpm, const PcrPolicy& policy) {
    const auto vault = TRY(seal_new_vault(tpm, policy_index_handle));
    TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    TRY(open_keyring(store, in_tpm, vault.key)->write_roster({}));
    return store_vault(store, vault.record);
}

KeyFiles with_family(KeyFiles files) {
    add(files, family_files("fleet"));
    return files;
}

void export_as(IdentityService& service, const std::filesystem::path& folder, FrozenMachine& machine, const FrozenExport& what) {
    const auto secret = what.passphrase.empty() ? std::nullopt : std::optional(Secret::copy_of(as_octets(what.passphrase)));
    const auto file = service.export_relay(what.relay, secret).value();
    std::ofstream(folder / what.file, std::ios::binary) << as_text(file);
    machine.exports.push_back(what);
}

using Fill = std::function<void(IdentityService&, FrozenMachine&)>;

void freeze(const std::filesystem::path& folder, bool in_tpm, const Fill& fill) {
    const TemporaryFolder work;
    std::filesystem::create_directories(folder);
    if (!in_tpm) std::filesystem::create_directory(folder / "store");
    FrozenMachine machine;
    machine.in_tpm = in_tpm;
    {
        SoftwareTpm tpm(work / "tpm");
        const PcrPolicy policy = measure(tpm, machine);
        tpm.authorize(policy_index_handle, policy);
        const auto open_store = store_of(in_tpm, folder, tpm);
        enroll(tpm, open_store().value().store, in_tpm, policy).value();
        MemoryPlace place;
        IdentityService service(open_store, opener_of(tpm), place);
        service.restore();
        fill(service, machine);
        machine.relays = frozen_relays(service.relays());
        tpm.power_cycle();
    }
    compress_state(work / "tpm", folder / "tpm.zst");
    machine.write(folder);
}

void set_recovery_key(IdentityService& service, FrozenMachine& machine) {
    const auto pair = make_recovery_key();
    service.set_recovery_key(pair.public_key).value();
    machine.recovery_public = encode_recovery_public(pair.public_key);
    machine.recovery_secret = as_text(encode_recovery_secret(pair.secret_key).expose());
}

void fill_disk(const std::filesystem::path& folder, IdentityService& service, FrozenMachine& machine) {
    set_recovery_key(service, machine);
    service.import_relay("alice", with_family(copy_of(alice().files)), {}).value();
    service.import_relay("bob", offline_files(bob()), {}).value();
    export_as(service, folder, machine, {"alice.export", "alice", ""});
    export_as(service, folder, machine, {"bob.export", "bob", passphrase});
}

}  // namespace

int main(int count, char** arguments) try {
    if (count != 2) return 2;
    const std::filesystem::path folder = arguments[1];
    freeze(folder / "disk", false, [&](auto& service, auto& machine) { fill_disk(folder / "disk", service, machine); });
    // The room in a TPM is for one of these at a time.
    freeze(folder / "tpm", true, [](auto& service, auto& machine) {
        set_recovery_key(service, machine);
        service.import_relay("alice", with_family(copy_of(alice().files)), {}).value();
    });
    freeze(folder / "tpm-offline", true,
           [](auto& service, auto&) { service.import_relay("bob", with_family(offline_files(bob())), {}).value(); });
    return 0;
} catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
