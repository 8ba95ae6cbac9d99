#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "base/file.hpp"
#include "base/secret.hpp"
#include "bus/systemd.hpp"
#include "lethectl/command.hpp"

namespace lethe::ctl {

struct Vault {
    std::string state;
    std::string reason;
    std::string error_name;
    std::string version;
    std::string recovery_key;
    std::string recovery_reason;
};

/// The properties of org.lethe.Identity1.Relay.
struct Relay {
    std::string name;
    std::string state;
    std::string reason;
    std::string fingerprint;
    std::string ed25519_identity;
    std::string key_folder;
    std::uint64_t generation = 0;
    std::uint64_t signing_key_expires = 0;
    bool has_master_key = false;
    std::vector<std::string> family_ids;
};
nlohmann::ordered_json to_json(const Relay& relay);

struct Identities {
    Vault vault;
    std::vector<Relay> relays;  ///< in order of name
};

/// A library's error as this tool reports it.
Failure to_failure(const Error& error);

// Calls of org.lethe.Identity1 on the system bus. A service that is away is exit_person, a refusal exit_refused.

Outcome<Identities> read_identities();
Outcome<Relay> read_relay(const std::string& name);
Outcome<void> create_relay(const std::string& name);
/// @param files  of its key directory, by name, open for reading.
Outcome<void> import_relay(const std::string& name, const std::map<std::string, Fd>& files, const std::optional<std::string>& replace);
Outcome<Octets> export_relay(const std::string& name, const std::optional<Secret>& passphrase);
/// @param secret   what opens the file.
/// @param foreign  whether one that this machine's vault did not make is taken.
/// @return the relay's name
Outcome<std::string> recover_relay(OctetView file, const Secret& secret, const std::string& fingerprint,
                                   const std::optional<std::string>& name, const std::optional<std::string>& replace, bool foreign);
Outcome<void> forget_relay(const std::string& name, const std::string& fingerprint);
/// @param key  its text; empty for none.
Outcome<void> set_recovery_key(const std::string& key);
Outcome<void> verify_relay(const std::string& name);
Outcome<void> reload();

/// The name of the unit that runs a relay's tor.
std::string tor_unit(const std::string& relay);

/// What systemd says about a service; "unknown" when it does not answer.
systemd::UnitState service_state(const std::string& unit);

/// What a service says of itself, as it may be printed: its process has written it, and tor's may be somebody else's by now.
std::string service_text(std::string_view text);

/// Stops a relay's tor and waits until it has ended, a minute at most. Where there is no such unit, or no systemd, there is nothing to
/// stop.
Outcome<void> stop_tor(const std::string& relay);

/// Lets a relay's tor, if it runs, take up keys that have been replaced: by a reload when they are of the same identity, else by a restart.
/// @param before  the fingerprint that the relay had.
Outcome<void> refresh_tor(const std::string& relay, const std::string& before);

}  // namespace lethe::ctl
