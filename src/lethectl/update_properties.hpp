#pragma once

#include "lethectl/client_call.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {

// What is missing is empty; what has another type throws sdbus::Error.

/// The properties of org.lethe.Update1.Manager.
Updates to_updates(const Properties& properties);

/// The property Plan, or what Preview answers; nothing when it is empty.
std::optional<Plan> to_plan(const std::map<std::string, sdbus::Variant>& plan);

}  // namespace lethe::ctl
