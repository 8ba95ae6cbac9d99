#pragma once

#include "updated/ports.hpp"

namespace lethe {

// Where things are on a machine, or where a test has put them.

SystemdPcrlock::Paths pcrlock_paths();

/// The ports of the machine that this runs on. Borrows `pcrlock`. @param boot_complete  asks systemd, over the bus.
UpdatePorts machine_ports(Pcrlock& pcrlock, std::function<Result<PolicyKeys>()> policy_keys, std::function<Result<bool>()> boot_complete,
                          std::function<void(std::string_view, unsigned)> progress);

}  // namespace lethe
