#pragma once

#include <sdbus-c++/IConnection.h>
#include <systemd/sd-event.h>

#include <functional>
#include <memory>

#include "base/result.hpp"

namespace lethe {

/// What a daemon has on the bus; destroyed before the connection is.
class BusObjects {
public:
    virtual ~BusObjects() = default;
};

using Publish = std::function<Result<std::unique_ptr<BusObjects>>(sdbus::IConnection&, sd_event*)>;

/// Runs a daemon: connects to the system bus ($DBUS_SYSTEM_BUS_ADDRESS when set), lets `publish` put its objects there, takes `bus_name`,
/// tells the service manager READY=1 and serves until SIGTERM or SIGINT. The event loop lives as long as the objects. Callers that were
/// queued for the name wait until then.
///
/// @error io  no bus, the name is taken or not allowed, the connection was lost, or `publish` failed.
Result<void> serve(const std::string& bus_name, const Publish& publish);

/// The exit status of a daemon's main; a failure goes to standard error, where the journal finds its priority.
int exit_status(const Result<void>& result);

}  // namespace lethe
