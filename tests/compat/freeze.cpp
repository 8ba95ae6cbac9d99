// freeze FOLDER   makes the machines of a generation in FOLDER, as this release writes them. Their keys are made for the tests. See
//                 README.md

#include <fstream>
#include <iostream>
#include <ranges>

#include "../unit/fake_pcrlock.hpp"
#include "../unit/rekeyed.hpp"
#include "../unit/tor_keys.hpp"
#include "pcrlock/policy_in_force.hpp"
#include "state_boot.hpp"

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
    const auto vault = TRY(seal_vault_key(tpm, policy_index_handle, VaultKey::random()));
    TRY(store.write_framed({ObjectKind::policy, ""}, as_octets(policy_json(policy))));
    if (!in_tpm) TRY(write_policy_copy(store, vault.key.policy_keys(), TRY(parse_policy_file(policy_json(policy)))));
    TRY(open_keyring(store, in_tpm, vault.key)->write_roster({}));
    TRY(store_vault(store, vault.record));
    return Anchor(store, in_tpm, tpm, vault.key).make(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
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

using Fill = std::function<void(IdentityService&, SoftwareTpm&, const Store&, FrozenMachine&)>;

// A week in which this was the best of the days that count; of the writing it was twice as much.
std::string week_of(std::uint64_t bandwidth, std::chrono::sys_seconds when) {
    std::vector<std::uint64_t> maxima{bandwidth * 2, bandwidth / 4, bandwidth / 2, bandwidth, bandwidth / 2, bandwidth / 4, bandwidth / 8};
    std::vector<std::uint64_t> values;
    for (const auto rate : maxima) values.push_back(rate * 40'000);
    const auto read = history_at(when, maxima, values);
    for (auto& rate : maxima) rate *= 2;
    return state_with(when, read, history_at(when, maxima, values));
}

// What is left of a relay's state without snapshots.
FrozenState minimal_of(std::string_view state, std::uint64_t bandwidth) {
    const auto left = to_state_text(minimal_state(parse_state_file(as_octets(state)).value()).value());
    return {.source = "minimal", .files = {{state_file_name, left}}, .bandwidth = bandwidth};
}

// What tor leaves: the state file, onion keys, those before, and something cached.
KeyFiles tor_files(const std::string& state) {
    KeyFiles files = state_files(state);
    replace(files, key_file::onion_old, bob().files.at(key_file::onion).expose());
    replace(files, key_file::onion_ntor_old, bob().files.at(key_file::onion_ntor).expose());
    replace(files, "cached-certs", "for the tests\n");
    return files;
}

// A day of tor on each relay, at the end of which its state is taken up.
void run_tors(StateBoot& boot, FrozenMachine& machine, unsigned day) {
    for (std::uint64_t bandwidth = (10 * day) << 20; const auto& name : machine.relays | std::views::keys) {
        bandwidth += 1 << 20;
        const std::string state = day == 1 ? state_of(bandwidth, boot.now) : week_of(bandwidth, boot.now);
        auto files = tor_files(state);
        const auto minimal = minimal_of(state, bandwidth);
        machine.states[name] = machine.in_tpm ? minimal : FrozenState{"snapshot", frozen_files(files), bandwidth};
        if (!machine.in_tpm) machine.without_snapshots[name] = minimal;
        boot.place.running[name] = std::move(files);
    }
    boot.service.snapshot(SnapshotCause::stop).value();
    if (!boot.service.minimal_reason().empty()) throw std::runtime_error(boot.service.minimal_reason());
}

struct Kind {
    bool in_tpm;
    bool has_state;
};

void freeze(const std::filesystem::path& folder, const Kind& kind, const Fill& fill) {
    const TemporaryFolder work;
    std::filesystem::create_directories(folder);
    if (!kind.in_tpm) std::filesystem::create_directory(folder / "store");
    FrozenMachine machine;
    machine.in_tpm = kind.in_tpm;
    {
        SoftwareTpm tpm(work / "tpm");
        const PcrPolicy policy = measure(tpm, machine);
        tpm.authorize(policy_index_handle, policy);
        const auto open_store = store_of(kind.in_tpm, folder, tpm);
        enroll(tpm, open_store().value().store, kind.in_tpm, policy).value();
        MemoryPlace place;
        IdentityService service(open_store, opener_of(tpm), place);
        service.restore();
        fill(service, tpm, open_store().value().store, machine);
        machine.relays = frozen_relays(service.relays());
        // The second day makes the index of the minimal states larger; the third writes its other slot.
        for (unsigned day = 1; kind.has_state && day <= 3; ++day) {
            StateBoot boot(tpm, open_store, machine, some_day + std::chrono::days(day));
            run_tors(boot, machine, day);
            machine.state_time = boot.now + 1h;
        }
        tpm.power_cycle();
    }
    compress_state(work / "tpm", folder / "tpm.zst");
    machine.write(folder);
}

void set_recovery_key(IdentityService& service, SoftwareTpm& tpm, const Store& store, FrozenMachine& machine) {
    const auto pair = make_recovery_key();
    set_recovery_key(service, tpm, store, pair.public_key).value();
    machine.recovery_public = encode_recovery_public(pair.public_key);
    machine.recovery_secret = as_text(encode_recovery_secret(pair.secret_key).expose());
}

void fill_disk(const std::filesystem::path& folder, IdentityService& service, SoftwareTpm& tpm, const Store& store,
               FrozenMachine& machine) {
    set_recovery_key(service, tpm, store, machine);
    service.import_relay("alice", with_family(copy_of(alice().files)), {}).value();
    service.import_relay("bob", offline_files(bob()), {}).value();
    export_as(service, folder, machine, {"alice.export", "alice", ""});
    export_as(service, folder, machine, {"bob.export", "bob", passphrase});
}

}  // namespace

int main(int count, char** arguments) try {
    if (count != 2) return 2;
    const std::filesystem::path folder = arguments[1];
    freeze(folder / "disk", {.in_tpm = false, .has_state = true},
           [&](auto& service, auto& tpm, const auto& store, auto& machine) { fill_disk(folder / "disk", service, tpm, store, machine); });
    // The room in a TPM is for one of these at a time.
    freeze(folder / "tpm", {.in_tpm = true, .has_state = true}, [](auto& service, auto& tpm, const auto& store, auto& machine) {
        set_recovery_key(service, tpm, store, machine);
        service.import_relay("alice", with_family(copy_of(alice().files)), {}).value();
    });
    freeze(folder / "tpm-offline", {.in_tpm = true, .has_state = false},
           [](auto& service, auto&, const auto&, auto&) { service.import_relay("bob", with_family(offline_files(bob())), {}).value(); });
    return 0;
} catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
