#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "tor/key_set.hpp"

namespace lethe {

/// Where identityd and the relays' starter meet: public files in tmpfs.
struct RuntimePaths {
    std::filesystem::path runtime = "/run/lethe";  ///< identityd's own; only it can write there

    std::filesystem::path key_folder(std::string_view relay) const { return runtime / "keys" / relay; }
    /// Exists only while identityd has read the relay's identity whole; says which keys must lie in the key folder.
    std::filesystem::path manifest(std::string_view relay) const { return runtime / "manifest" / relay; }
    /// Why the vault is not open; empty when it is.
    std::filesystem::path vault_reason() const { return runtime / "vault-reason"; }
    /// Why a relay is not admitted though the vault is open; exists for those that identityd knows.
    std::filesystem::path reason(std::string_view relay) const { return runtime / "reason" / relay; }
};

/// The text of a manifest: JSON with both fingerprints as tor prints them.
std::string encode_manifest(const Fingerprints& fingerprints);

/// The two fingerprints as a manifest has them.
struct Manifest {
    std::string fingerprint;
    std::string ed25519_identity;
    bool operator==(const Manifest&) const = default;
};
Manifest manifest_of(const Fingerprints& fingerprints);

/// @error not_found  identityd has not admitted the relay.
/// @error corrupt, io
Result<Manifest> read_manifest(const std::filesystem::path& file);

}  // namespace lethe
