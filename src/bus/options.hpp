#pragma once

#include <sdbus-c++/Types.h>

#include <map>
#include <optional>
#include <string>

#include "base/secret.hpp"

namespace lethe {

/// The options of a D-Bus method, an a{sv}. Borrows them.
class Options {
public:
    /// @param known  the names that the method takes.
    Options(const std::map<std::string, sdbus::Variant>& given, std::initializer_list<std::string_view> known)
        : given_(given), known_(known) {}

    /// @error invalid_argument  an option that the method does not know: what it was meant to do is not done by leaving it out.
    Result<void> check() const;
    /// An option of a D-Bus type. @error invalid_argument  it is of another type.
    template <class T>
    Result<std::optional<T>> value(const std::string& name) const {
        const auto found = given_.find(name);
        if (found == given_.end()) return std::nullopt;
        if (!found->second.containsValueOfType<T>()) return fail(ErrorKind::invalid_argument, "option \"{}\" is of the wrong type", name);
        return found->second.get<T>();
    }
    /// An option of type s. @error invalid_argument  it is of another type.
    Result<std::optional<std::string>> text(const std::string& name) const;
    /// An option of type h: what is in that file, 1 KiB at most. @error invalid_argument, corrupt, io
    Result<std::optional<Secret>> secret(const std::string& name) const;

private:
    const std::map<std::string, sdbus::Variant>& given_;
    std::vector<std::string_view> known_;
};

}  // namespace lethe
