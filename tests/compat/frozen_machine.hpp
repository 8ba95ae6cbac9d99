#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "../unit/software_tpm.hpp"
#include "frozen_state.hpp"
#include "identityd/service.hpp"

namespace lethe {

/// What a boot measures into a PCR.
struct Measurement {
    unsigned pcr;
    Digest digest;
};

/// What is to come out for a relay.
struct FrozenRelay {
    std::string fingerprint;
    std::string ed25519;
    bool has_master_key;
    std::vector<std::string> family_ids;
    bool operator==(const FrozenRelay&) const = default;
};
std::map<std::string, FrozenRelay> frozen_relays(const std::map<std::string, RelayStatus>& relays);

/// An export file beside the manifest, and what opens it: the passphrase or, when that is empty, the recovery key.
struct FrozenExport {
    std::string file;
    std::string relay;
    std::string passphrase;
};

/// The manifest of a machine that was switched off and kept: a folder with `tpm.zst`, what its store holds when that is not in the TPM
/// (`store`), and export files.
struct FrozenMachine {
    bool in_tpm = false;
    std::vector<Measurement> extended;  ///< of the boot that its vault opens to, in order
    PcrValues pcrs;                     ///< what they come to
    std::map<std::string, FrozenRelay> relays;
    std::string recovery_public, recovery_secret;  ///< as texts; empty when there is none. Made for the tests
    std::vector<FrozenExport> exports;
    std::chrono::sys_seconds state_time{};  ///< at which the states below come out
    FrozenStates states;                    ///< of the relays that have one
    FrozenStates without_snapshots;         ///< what is left of those that come out of a snapshot

    /// Throws when there is none, or when it cannot be read; which fails the test.
    static FrozenMachine read(const std::filesystem::path& folder);
    void write(const std::filesystem::path& folder) const;
};

/// The TPM's state, in one zstd frame.
void compress_state(const std::filesystem::path& state, const std::filesystem::path& compressed);
void decompress_state(const std::filesystem::path& compressed, const std::filesystem::path& state);

/// Opens the machine's store: `folder`/store, or the one in the TPM.
IdentityService::StoreOpener store_of(bool in_tpm, const std::filesystem::path& folder, SoftwareTpm& tpm);
IdentityService::TpmOpener opener_of(SoftwareTpm& tpm);

/// Makes no keys, and remembers what was installed.
class MemoryPlace final : public KeyPlace {
public:
    std::map<std::string, Manifest> manifests;

    Result<KeySet> make() override { return fail(ErrorKind::io, "no keys are made"); }
    Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) override;
    Result<Manifest> installed(const std::string& relay) override;
    Result<void> remove(const std::string& relay) override;
    Result<void> withdraw_others(const std::set<std::string>& admitted) override;
};

}  // namespace lethe
