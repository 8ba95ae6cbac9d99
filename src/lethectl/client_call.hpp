#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <concepts>
#include <format>

#include "base/printable.hpp"
#include "bus/client.hpp"
#include "lethectl/client.hpp"

// What the parts of the client share.
namespace lethe::ctl {

/// A service on the system bus, and what a person is told when it does not do what it is asked.
struct Service {
    const char* name;
    const char* path;    ///< of its first object
    const char* unit;    ///< whose status says why it is away
    const char* lister;  ///< the command that shows which relays it has; null when it has no object for each
    std::chrono::seconds patience = std::chrono::minutes{3};  ///< a first call may start the service, and that may make keys

    std::string manager_interface() const { return std::format("{}.Manager", name); }
    std::string relay_interface() const { return std::format("{}.Relay", name); }
    std::string relay_path(const std::string& relay) const { return std::format("{}/relay/{}", path, relay); }
};
inline constexpr Service identity_service{"org.lethe.Identity1", "/org/lethe/Identity1", "lethe-identityd", "lethectl identity list"};
inline constexpr Service state_service{"org.lethe.State1", "/org/lethe/State1", "lethe-stated", "lethectl state show"};
// An update writes and reads back a whole release, and waits for another one that is under way.
inline constexpr Service update_service{"org.lethe.Update1", "/org/lethe/Update1", "lethe-updated", nullptr, std::chrono::minutes{20}};

/// What a call of the service failed with, as this tool reports it.
Failure to_failure(const sdbus::Error& error, const Service& service);

using Properties = std::map<sdbus::PropertyName, sdbus::Variant>;

/// What a service says, as it may be printed.
template <class T>
T shown(T value) {
    if constexpr (std::same_as<T, std::string>) value = printable(value);
    if constexpr (std::same_as<T, std::vector<std::string>>)
        for (auto& text : value) text = printable(text);
    return value;
}

/// The member of that name, with text as it may be printed; an empty T when there is none.
template <class T, class Map>
T value(const Map& properties, const char* name) {
    const auto found = properties.find(typename Map::key_type{name});
    return found == properties.end() ? T{} : shown(found->second.template get<T>());
}

/// A relay's name goes into an object path, which sd-bus does not accept with other characters.
Outcome<void> check_name(const std::string& name);

inline std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection, const Service& service, const std::string& path) {
    return sdbus::createProxy(connection, sdbus::ServiceName{service.name}, sdbus::ObjectPath{path});
}
inline std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection, const Service& service) {
    return proxy(connection, service, service.path);
}

/// Files as the service is handed them; they stay open here, too.
std::map<std::string, sdbus::UnixFd> handed_over(const std::map<std::string, Fd>& files);

/// The properties of the service's objects for relays.
std::vector<Properties> relay_objects(sdbus::IConnection& connection, const Service& service);

/// Calls the function with a connection to the system bus; what it throws becomes a Failure that names the service.
template <class Function>
auto call(const Service& service, Function&& function) {
    return with_bus([&](const sdbus::Error& error) { return to_failure(error, service); },
                    [&](sdbus::IConnection& connection) {
                        connection.setMethodCallTimeout(service.patience);
                        return function(connection);
                    });
}

}  // namespace lethe::ctl
