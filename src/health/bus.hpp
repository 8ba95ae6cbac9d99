#pragma once

#include "health/health_check.hpp"

namespace lethe {

// Calls on the system bus.

/// What org.lethe.Identity1 says. @error wrong_state  it is not running, or there is no bus. @error io
Result<IdentityStatus> read_identity();

/// What systemd says of a service, started or not. @error wrong_state, io
Result<UnitState> read_unit(const std::string& name);

/// Asks systemd to stop everything in order and to reboot, as `systemctl reboot` does. Manager.Reboot would stop nothing, and the newest
/// state of the relays would be lost. @error io
Result<void> ask_for_reboot();

}  // namespace lethe
