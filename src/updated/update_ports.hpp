#pragma once

#include "updated/ports.hpp"

namespace lethe {

// Where things are on a machine; the variables LETHE_... in the environment are for tests.

SystemdPcrlock::Paths pcrlock_paths();

/// The ports of the machine that this runs on. Borrows `pcrlock`.
UpdatePorts machine_ports(Pcrlock& pcrlock, std::function<Result<PolicyKeys>()> policy_keys,
                          std::function<void(std::string_view, unsigned)> progress);

}  // namespace lethe
