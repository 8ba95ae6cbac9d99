#pragma once

#include "bus/daemon.hpp"
#include "identityd/service.hpp"

namespace lethe {

inline constexpr auto identity_bus_name = "org.lethe.Identity1";
inline constexpr auto identity_path = "/org/lethe/Identity1";

/// Puts the service on the bus: the manager object and one object for each relay. Borrows both.
/// @param paths  where it leaves for lethe-relay what the bus is told.
std::unique_ptr<BusObjects> publish_identity(sdbus::IConnection& connection, IdentityService& service, const RuntimePaths& paths);

}  // namespace lethe
