#pragma once

#include <filesystem>
#include <map>

#include "relay/manifest.hpp"
#include "tor/state_payload.hpp"

namespace lethe {

/// Where tor's state lies on the machine: the part of it that the state service touches besides store and TPM.
class StatePlace {
public:
    virtual ~StatePlace() = default;

    /// The relays that may run, which are those that identityd has admitted, and the identity that each has.
    virtual Result<std::map<std::string, RsaFingerprint>> relays() = 0;

    /// A relay's state file, onion keys and, when `cache_limit_octets` is not 0, cached files, as they are now. Each is opened once, so
    /// that what is read of it is of one moment; tor replaces files as a whole.
    /// @error not_found    tor has written no state yet.
    /// @error wrong_state  tor is just replacing a key: again in a moment.
    /// @error corrupt      a file is no regular file of the relay's user, or too large; the message names it.
    /// @error io
    virtual Result<KeyFiles> collect(const std::string& relay, std::size_t cache_limit_octets) = 0;

    /// Lays files out for lethe-relay, which takes them over when it starts tor; in the place of those from before.
    /// @error not_found  the relay's user does not exist. @error io
    virtual Result<void> lay_out(const std::string& relay, const KeyFiles& files) = 0;

    /// Says that nothing could be restored, and why; lethe-relay reads it when state is required.
    virtual Result<void> lay_out_nothing(const std::string& relay, const std::string& reason) = 0;
};

/// Where stated and the relays' starter meet.
struct StatePaths {
    std::filesystem::path runtime = "/run/lethe-state";  ///< stated's own; only it can write there

    /// What is laid out for a relay, of its user, 0700: state, onion keys, cached files.
    std::filesystem::path laid_out(std::string_view relay) const { return runtime / "restored" / relay; }
    /// Why there is nothing: one line, readable for all.
    std::filesystem::path reason(std::string_view relay) const { return runtime / "nothing" / relay; }
};

struct StatePlaceSettings {
    StatePaths paths;
    RuntimePaths identity;                                       ///< identityd's manifests and key folders
    std::filesystem::path instances = "/var/lib/tor-instances";  ///< with a data folder for each relay
    std::string user_prefix = "_tor-";
    std::string fixed_user;  ///< when not empty, the user of every relay (for tests)
};

/// The real one. Needs CAP_DAC_READ_SEARCH to read tor's folders, and CAP_CHOWN for what it lays out.
class MachineStatePlace final : public StatePlace {
public:
    explicit MachineStatePlace(StatePlaceSettings settings) : settings_(std::move(settings)) {}

    Result<std::map<std::string, RsaFingerprint>> relays() override;
    Result<KeyFiles> collect(const std::string& relay, std::size_t cache_limit_octets) override;
    Result<void> lay_out(const std::string& relay, const KeyFiles& files) override;
    Result<void> lay_out_nothing(const std::string& relay, const std::string& reason) override;

private:
    std::string user_of(const std::string& relay) const {
        return settings_.fixed_user.empty() ? settings_.user_prefix + relay : settings_.fixed_user;
    }

    StatePlaceSettings settings_;
};

}  // namespace lethe
