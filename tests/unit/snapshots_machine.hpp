#pragma once

#include <gtest/gtest.h>

#include "copied_tpm.hpp"
#include "recorded_disk.hpp"
#include "vault/snapshots.hpp"
#include "vault/vault.hpp"

namespace lethe {

inline Secret text_secret(std::string_view text) { return Secret::copy_of(as_octets(text)); }

/// The states of a few relays, as texts.
using Texts = std::map<std::string, std::string>;

inline RelayStates states_of(const Texts& texts) {
    RelayStates states;
    for (const auto& [relay, text] : texts) states.emplace(relay, text_secret(text));
    return states;
}

inline Texts texts_of(const Snapshot& snapshot) {
    Texts texts;
    for (const auto& [relay, kept] : snapshot.relays) texts[relay] = as_text(kept.state.expose());
    return texts;
}

/// A machine with a disk, of which snapshots are kept: a value.
struct SnapshotMachine {
    Medium medium;
    CopiedTpm tpm;
};

/// A SnapshotMachine and its snapshots, as a daemon has them that has just started. Borrows the machine.
class SnapshotRun {
public:
    using Before = RecordedDisk::Before;
    SnapshotRun(
        Medium& medium, Tpm& tpm, Before before = [](const std::string&) {}, std::uint8_t vault = 1)
        : disk_(medium, std::move(before)), snapshots_(Snapshots::open(disk_, tpm, vault_key(vault)).value()) {}
    explicit SnapshotRun(SnapshotMachine& machine) : SnapshotRun(machine.medium, machine.tpm) {}

    Snapshots* operator->() { return &snapshots_; }

    static VaultKey vault_key(std::uint8_t vault = 1) { return VaultKey(Secret::copy_of(Octets(32, vault))); }

private:
    RecordedDisk disk_;
    Snapshots snapshots_;
};

}  // namespace lethe
