#pragma once

#include "updated/ports.hpp"

namespace lethe {

// Where things are on a machine, or where a test has put them.

SystemdPcrlock::Paths pcrlock_paths();

/// The ports of the machine that this runs on. Borrows `pcrlock`.
UpdatePorts machine_ports(Pcrlock& pcrlock, std::function<void(std::string_view, unsigned)> progress);

}  // namespace lethe
