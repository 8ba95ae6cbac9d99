#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>

#include "vault/open_store.hpp"

namespace lethe {

/// What a boot has to show before it counts as good; each includes those before it.
enum class HealthNeeds {
    identity,      ///< the vault is open, each relay's keys are installed, and its tor runs
    bootstrap,     ///< tor has the sealed fingerprint, and circuits
    reachability,  ///< others reach its ORPort
    consensus,     ///< it is Running in a consensus that is newer than the boot
};

/// Of an RSA identity.
using PinnedFingerprint = std::array<std::uint8_t, 20>;

/// What the operator has configured: lethe.conf(5).
struct Configuration {
    StoreChoice store = StoreChoice::automatic;
    std::chrono::seconds snapshot_interval{std::chrono::hours(1)};  ///< of tor's state, when it has changed
    unsigned snapshots_per_day = 48;                                ///< each of them wears the TPM's counter
    std::uint64_t cache_limit_octets = 0;                           ///< of a relay's consensus and descriptors; 0: they are not kept
    bool require_state = false;                                     ///< a relay whose state was put back to an older one does not start
    bool wait_for_clock = true;                                     ///< tor does not start before the clock is synchronised
    std::chrono::seconds clock_timeout{std::chrono::minutes(10)};   ///< after which it fails to start
    std::chrono::minutes quiet_begin{std::chrono::hours(2)};        ///< of the daily window for reboots, since midnight in UTC
    std::chrono::minutes quiet_end{std::chrono::hours(5)};          ///< before its begin when it passes midnight; never the same
    unsigned reboot_stagger_days = 1;                               ///< over which a family's reboots are spread; 0: they are not
    HealthNeeds health_needs = HealthNeeds::bootstrap;
    std::optional<std::chrono::seconds> configured_health_deadline{};
    std::map<std::string, PinnedFingerprint> fingerprints{};  ///< of relays that never run with another identity, by name

    /// How long a boot may take to become healthy. A consensus is made each hour, and reaches relays in the course of the next.
    std::chrono::seconds health_deadline() const {
        return configured_health_deadline.value_or(health_needs == HealthNeeds::consensus ? std::chrono::hours(3)
                                                                                          : std::chrono::minutes(10));
    }
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

/// The same for a daemon: of the machine's folder, unless a test has put another in its place.
Result<OpenedStore> open_machine_store(const OpenTpm& open_tpm);

}  // namespace lethe
