#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <string>

#include "base/result.hpp"

namespace lethe {

/// What a call of a service failed with: `not_found` when there is no such object, `wrong_state` when the service is not running, or
/// there is no bus; else `io`.
Error to_error(const sdbus::Error& error, const std::string& service);

/// Calls the function with a connection to the system bus; what it throws becomes what `explain` makes of it.
template <class Explain, class Function>
auto with_bus(Explain&& explain, Function&& function)
    -> std::expected<decltype(function(std::declval<sdbus::IConnection&>())), decltype(explain(std::declval<const sdbus::Error&>()))> {
    try {
        const auto connection = sdbus::createSystemBusConnection();
        if constexpr (std::is_void_v<decltype(function(*connection))>) {
            function(*connection);
            return {};
        } else {
            return function(*connection);
        }
    } catch (const sdbus::Error& error) {
        return std::unexpected(explain(error));
    }
}

/// The same for those who report an Error. @error as to_error()
template <class Function>
auto on_bus(const std::string& service, Function&& function) {
    return with_bus([&](const sdbus::Error& error) { return to_error(error, service); }, std::forward<Function>(function));
}

}  // namespace lethe
