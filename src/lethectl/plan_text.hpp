#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lethectl/update.hpp"

namespace lethe::ctl {

/// What an update changes, PCR by PCR, and what its reboot costs each relay.
/// @param now  seconds since the epoch.
std::string plan_text(const Plan& plan, std::uint64_t now);
/// The same with whole digests, and numbers as they are.
nlohmann::ordered_json plan_json(const Plan& plan);

}  // namespace lethe::ctl
