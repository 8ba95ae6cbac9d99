#pragma once

#include "bus/daemon.hpp"
#include "stated/service.hpp"

namespace lethe {

inline constexpr auto state_bus_name = "org.lethe.State1";
inline constexpr auto state_path = "/org/lethe/State1";

/// What lethe-stated has on the bus.
class StateObjects : public BusObjects {
public:
    /// Takes a snapshot for a reason of the daemon's own, and tells the bus and the journal what came of it.
    virtual void snapshot(SnapshotCause cause) = 0;
};

/// Borrows the service.
std::unique_ptr<StateObjects> publish_state(sdbus::IConnection& connection, StateService& service);

}  // namespace lethe
