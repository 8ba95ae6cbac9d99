#pragma once

#include <span>

#include "vault/open_store.hpp"

namespace lethe {

/// What the operator has configured: lethe.conf(5).
struct Configuration {
    StoreChoice store = StoreChoice::automatic;
    bool operator==(const Configuration&) const = default;
};

/// Reads the first of these files that exists; without one, everything is as documented for nothing being configured.
/// @error invalid_argument  a line that is not understood; names the file and the line. Nothing is guessed.
/// @error io
Result<Configuration> read_configuration(std::span<const std::filesystem::path> files);
/// Those of lethe.conf(5).
Result<Configuration> read_configuration();

/// open_store() as configured. @error as both
Result<OpenedStore> open_configured_store(const std::filesystem::path& folder, const OpenTpm& open_tpm);

}  // namespace lethe
