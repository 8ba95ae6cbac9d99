#pragma once

#include "lethectl/command.hpp"

namespace lethe::ctl {

/// Runs lethe-enroll with these arguments, on this program's terminal, and returns its exit status.
Outcome<int> run_enroll(const std::vector<std::string>& arguments);

}  // namespace lethe::ctl
