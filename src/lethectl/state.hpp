#pragma once

#include <cstdint>
#include <vector>

#include "lethectl/command.hpp"

namespace lethe::ctl {

/// The properties of org.lethe.State1.Manager.
struct StateKeeper {
    std::string state;  ///< or "unknown": lethe-stated did not answer
    std::string reason;
    std::string error_name;
    std::uint64_t generation = 0;
    std::uint32_t snapshots_per_day = 0;
    std::uint32_t budget_left = 0;
    std::string minimal_reason{};  ///< why the bandwidth history is not in the TPM, too

    bool open() const { return state == "open" || state == "minimal"; }
    bool good() const { return open() && reason.empty(); }
};

/// The properties of org.lethe.State1.Relay.
struct RelayState {
    std::string name;
    std::string source;  ///< or "unknown": lethe-stated does not speak of this relay
    std::string reason;
    std::string trouble{};  ///< of the last snapshot
    std::uint64_t generation = 0;
    std::uint64_t taken = 0;
    std::uint64_t size_octets = 0;
    std::uint64_t restored_bandwidth = 0;  ///< octets a second
};

struct States {
    StateKeeper keeper;
    std::vector<RelayState> relays;  ///< in order of name
};

// Calls of org.lethe.State1 on the system bus. A service that is away is exit_person, a refusal exit_refused.

Outcome<States> read_states();
/// Takes a snapshot when something has changed. @return the number of the newest one
Outcome<std::uint64_t> take_snapshot();
/// Gives up all snapshots.
Outcome<void> reset_snapshots();
/// Opens the vault again, and lays out state for relays that have none.
Outcome<void> reload_states();

}  // namespace lethe::ctl
