#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "relay/manifest.hpp"
#include "tor/key_set.hpp"

namespace lethe {

/// Where tor makes keys and finds them: the part of the machine that the identity service touches besides store and TPM.
class KeyPlace {
public:
    virtual ~KeyPlace() = default;

    /// The keys of a new relay. @error io, corrupt
    virtual Result<KeySet> make() = 0;

    /// Puts a relay's keys where its tor finds them and writes its manifest. Keys that lie there already are left alone, so that a restart
    /// of the daemon does not take them from under a running tor. Returns the folder.
    /// @error not_found  the relay's user does not exist.
    /// @error io
    virtual Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) = 0;

    /// What is installed for a relay. @error not_found  nothing. @error corrupt, io
    virtual Result<Manifest> installed(const std::string& relay) = 0;

    /// Takes away a relay's manifest, then wipes its keys.
    virtual Result<void> remove(const std::string& relay) = 0;

    /// Takes away the manifest of every relay that is not among `admitted`, after which its tor does not start.
    virtual Result<void> withdraw_others(const std::set<std::string>& admitted) = 0;
};

struct MachineSettings {
    RuntimePaths paths;
    std::filesystem::path tor = "/usr/bin/tor";
    std::string user_prefix = "_tor-";  ///< with the relay's name after it: the user of its tor, as Debian's template has it
    std::string fixed_user;             ///< when not empty, the user of every relay (for tests)
};

/// The real one. Needs CAP_CHOWN, because each relay's keys belong to a user of their own.
class MachineKeyPlace final : public KeyPlace {
public:
    explicit MachineKeyPlace(MachineSettings settings) : settings_(std::move(settings)) {}

    Result<KeySet> make() override;
    Result<std::filesystem::path> install(const std::string& relay, const KeySet& keys) override;
    Result<Manifest> installed(const std::string& relay) override;
    Result<void> remove(const std::string& relay) override;
    Result<void> withdraw_others(const std::set<std::string>& admitted) override;

private:
    MachineSettings settings_;
};

}  // namespace lethe
