#pragma once

#include <sdbus-c++/Types.h>

#include <map>
#include <string>

#include "updated/reboot.hpp"
#include "updated/service.hpp"

namespace lethe {

using VariantMap = std::map<std::string, sdbus::Variant>;

/// The property Plan of org.lethe.Update1.Manager.
VariantMap to_variants(const PlannedUpdate& update, const RebootCost& cost);

}  // namespace lethe
