#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include "lethectl/client.hpp"

// What the parts of the client share.
namespace lethe::ctl {

inline constexpr auto identity_service = "org.lethe.Identity1";
inline constexpr auto manager_path = "/org/lethe/Identity1";
inline constexpr auto manager_interface = "org.lethe.Identity1.Manager";
inline constexpr auto relay_interface = "org.lethe.Identity1.Relay";
// The first call may start the service, and that may make keys.
inline constexpr auto patience = std::chrono::minutes{3};

Failure to_failure(const sdbus::Error& error);

inline std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection, const char* destination, const std::string& path) {
    return sdbus::createProxy(connection, sdbus::ServiceName{destination}, sdbus::ObjectPath{path});
}

/// Calls the function with a connection to the system bus; what it throws becomes a Failure.
template <class Function>
auto call(Function&& function) -> Outcome<decltype(function(std::declval<sdbus::IConnection&>()))> {
    try {
        const auto connection = sdbus::createSystemBusConnection();
        connection->setMethodCallTimeout(patience);
        if constexpr (std::is_void_v<decltype(function(*connection))>) {
            function(*connection);
            return {};
        } else {
            return function(*connection);
        }
    } catch (const sdbus::Error& error) {
        return std::unexpected(to_failure(error));
    }
}

}  // namespace lethe::ctl
