#pragma once

#include <array>

#include "lethectl/client_call.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {

// What is missing is empty; what has another type throws sdbus::Error.

/// The properties that to_updates reads.
inline constexpr std::array update_properties = {"Running", "Staged", "Admitted", "PolicyState", "Reason", "LastFailure", "RebootAt"};

/// @param properties  of org.lethe.Update1.Manager, by name.
Updates to_updates(const Properties& properties);

/// The property Plan, or what Preview answers; nothing when it is empty.
std::optional<Plan> to_plan(const std::map<std::string, sdbus::Variant>& plan);

}  // namespace lethe::ctl
