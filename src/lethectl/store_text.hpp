#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lethectl/store.hpp"

namespace lethe::ctl {

/// "generation 12, enrolled 2026-11-30 03:00 UTC", or what is known of it.
std::string store_line(const StoreState& store);

/// What is wrong with it, and what to do; empty when nothing is.
std::string store_reason(const StoreState& store);

/// What `lethectl store show` prints.
std::string store_text(const StoreState& store);
nlohmann::ordered_json store_json(const StoreState& store);

}  // namespace lethe::ctl
