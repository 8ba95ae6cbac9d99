#pragma once

#include "bus/daemon.hpp"
#include "updated/reboot.hpp"
#include "updated/service.hpp"

namespace lethe {

inline constexpr auto update_bus_name = "org.lethe.Update1";
inline constexpr auto update_path = "/org/lethe/Update1";

/// What lethe-updated has on the bus.
class UpdateObjects : public BusObjects {
public:
    /// Tells the bus how far a change is.
    virtual void progress(std::string_view step, unsigned percent) = 0;
};

/// Borrows both.
std::unique_ptr<UpdateObjects> publish_updates(sdbus::IConnection& connection, UpdateService& service, Reboots& reboots);

}  // namespace lethe
