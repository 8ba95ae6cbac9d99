#pragma once

#include "identity_machine.hpp"
#include "pcrlock/open_vault.hpp"
#include "stated/service.hpp"
#include "tor_state_oracle.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::sys_seconds some_day = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1) + 12h;

// A relay's state with this observed bandwidth: one whole day of it, and the one that runs.
std::string state_of(std::uint64_t octets_per_second, std::chrono::sys_seconds when = some_day) {
    const auto history = history_at(when, {octets_per_second, 0});
    return state_with(when, history, history);
}

KeyFiles state_files(std::string_view state) {
    KeyFiles files;
    files.emplace("state", Secret::copy_of(as_octets(state)));
    for (const std::string& name : {key_file::onion, key_file::onion_ntor})
        files.emplace(name, Secret::copy_of(alice().files.at(name).expose()));
    return files;
}

// The folders of some tors that a test can look into.
class FakeStatePlace final : public StatePlace {
public:
    std::map<std::string, RsaFingerprint> admitted{{"a", {0xa}}, {"b", {0xb}}};
    std::map<std::string, KeyFiles> running;  ///< what tor has
    std::map<std::string, Error> unreadable;
    std::map<std::string, KeyFiles> laid_out;
    std::map<std::string, std::string> nothing;

    Result<std::map<std::string, RsaFingerprint>> relays() override { return admitted; }
    Result<KeyFiles> collect(const std::string& relay, std::size_t) override {
        if (const auto found = unreadable.find(relay); found != unreadable.end()) return std::unexpected(found->second);
        if (!running.contains(relay)) return fail(ErrorKind::not_found, "tor has written no state yet");
        return copy_of(running.at(relay));
    }
    Result<void> lay_out(const std::string& relay, const KeyFiles& files) override {
        laid_out[relay] = copy_of(files);
        return {};
    }
    Result<void> lay_out_nothing(const std::string& relay, const std::string& reason) override {
        nothing[relay] = reason;
        return {};
    }
};

// As lethe-identityd has them.
inline Result<VaultKeys> keys_of_state(const Store& store, Tpm& tpm) { return TRY(open_vault_of(store, tpm)).of_state(); }

// One boot of a machine, as far as lethe-stated goes.
struct StateDaemon {
    FakeStatePlace place;
    TemporaryFolder runtime;
    std::chrono::sys_seconds now = some_day;
    std::chrono::seconds uptime{60};
    bool synchronised = true;
    StateService service;

    // @param in_tpm  whether the machine has no disk: its vault is in a folder all the same.
    explicit StateDaemon(Machine& machine, Configuration configuration = {}, bool in_tpm = false)
        : service([&machine, in_tpm]() -> Result<OpenedStore> { return OpenedStore{TRY(Store::open(machine.folder.path())), in_tpm}; },
                  [&] { return Result<std::unique_ptr<Tpm>>(std::make_unique<BorrowedTpm>(machine.tpm)); },
                  [&machine] { return keys_of_state(Store::open(machine.folder.path()).value(), machine.tpm); }, place, configuration,
                  Budget(runtime / "spent", configuration.snapshots_per_day), [this] { return now; }, [this] { return uptime; },
                  [this] { return synchronised; }) {
        service.restore();
    }
    void tor_writes(const std::string& relay, const std::string& state) { place.running[relay] = state_files(state); }
    std::string laid_out(const std::string& relay) {
        const auto found = place.laid_out.find(relay);
        return found == place.laid_out.end() ? "" : std::string(as_text(found->second.at("state").expose()));
    }
    const StateStatus& relay(const std::string& name) { return service.relays().at(name); }
};

// Takes a snapshot in which the two relays have these bandwidths, and returns its number.
[[maybe_unused]] std::uint64_t snapshot_of(Machine& machine, std::uint64_t a, std::uint64_t b) {
    StateDaemon daemon(machine);
    daemon.tor_writes("a", state_of(a));
    daemon.tor_writes("b", state_of(b));
    const auto taken = daemon.service.snapshot(SnapshotCause::request);
    EXPECT_TRUE(taken) << taken.error().message;
    return taken.value_or(0);
}

}  // namespace
}  // namespace lethe
