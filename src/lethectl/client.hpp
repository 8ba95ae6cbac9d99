#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "lethectl/command.hpp"

namespace lethe::ctl {

struct Vault {
    std::string state;
    std::string reason;
    std::string error_name;
    std::string version;
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
};
nlohmann::ordered_json to_json(const Relay& relay);

struct Identities {
    Vault vault;
    std::vector<Relay> relays;  ///< in order of name
};

// Calls of org.lethe.Identity1 on the system bus. A service that is away is exit_person, a refusal exit_refused.

Outcome<Identities> read_identities();
Outcome<Relay> read_relay(const std::string& name);
Outcome<void> create_relay(const std::string& name);
Outcome<void> verify_relay(const std::string& name);
Outcome<void> reload();

/// What systemd says about a service.
struct ServiceState {
    std::string active;  ///< ActiveState: "active", "failed"; "inactive" when it is not loaded, "unknown" when systemd does not answer
    std::string text;    ///< StatusText: what it said of itself last
};
ServiceState service_state(const std::string& unit);

}  // namespace lethe::ctl
