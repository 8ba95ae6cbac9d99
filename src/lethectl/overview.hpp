#pragma once

#include <chrono>

#include "lethectl/boot_safety.hpp"
#include "lethectl/client.hpp"
#include "lethectl/state.hpp"
#include "lethectl/store.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {

/// A relay, the tor that has its keys, and what became of its state.
struct RelayLine {
    Relay relay;
    systemd::UnitState tor;
    RelayState state;
};

/// What `lethectl status` shows. Pure: nothing is asked any more.
struct Overview {
    std::chrono::sys_seconds now;
    Vault vault;
    StateKeeper keeper;
    StoreState store{};
    std::vector<RelayLine> lines;
    std::optional<Updates> updates{};  ///< nothing where there is no lethe-updated
    BootSafety boot{};

    /// Whether nothing needs a person.
    bool good() const;
    std::string text() const;
    std::string json() const;
};

}  // namespace lethe::ctl
