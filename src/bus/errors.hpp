#pragma once

#include <sdbus-c++/Error.h>

#include <concepts>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace lethe {

/// The D-Bus name of a kind of error, "org.lethe.Error.NotFound" and the like. The only table of them.
std::string_view error_name(ErrorKind kind);
/// Its inverse; nothing for a name that is not in the table.
std::optional<ErrorKind> error_kind(std::string_view name);

sdbus::Error to_bus_error(const Error& error);

namespace detail {
[[noreturn]] void throw_current_as_bus_error();
}

/// What a D-Bus method does with a Result: its value, or the error under its name in the table. Whatever else is thrown on the way becomes
/// org.lethe.Error.Io, because sdbus-c++ would answer with org.sdbuscpp.Error.
template <std::invocable Function>
auto answer(Function&& function) -> decltype(std::declval<Function>()())::value_type {
    auto result = [&] {
        try {
            return std::forward<Function>(function)();
        } catch (...) {
            detail::throw_current_as_bus_error();
        }
    }();
    if (!result) throw to_bus_error(result.error());
    if constexpr (!std::is_void_v<typename decltype(result)::value_type>) return *std::move(result);
}

}  // namespace lethe
