#pragma once

#include <map>
#include <string>

#include "base/result.hpp"

namespace lethe {

/// The properties of one interface that are texts, by name, read over the system bus.
/// @error not_found    there is no such object.
/// @error wrong_state  the service is not running, or there is no bus.
/// @error io           it answers with another error, or not in time.
Result<std::map<std::string, std::string>> text_properties(const std::string& service, const std::string& path,
                                                           const std::string& interface);

}  // namespace lethe
