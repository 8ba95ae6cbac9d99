#pragma once

#include <string>
#include <vector>

#include "lethectl/command.hpp"

namespace lethe::ctl {

/// What org.lethe.Identity1.Manager says about how this boot came about.
struct BootSafety {
    std::string secure_boot{};  ///< "on", "off" or "setup"
    std::string insecure{};     ///< what an attacker can do; empty when nothing
    std::string insecure_advice{};
    std::vector<std::string> warnings{};

    bool good() const { return insecure.empty() && warnings.empty(); }
};

/// @error as read_identities()
Outcome<BootSafety> read_boot_safety();

/// The lines of it, in red; empty when all is well.
std::string boot_safety_text(const BootSafety& boot);

}  // namespace lethe::ctl
