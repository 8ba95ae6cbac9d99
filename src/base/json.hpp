#pragma once

#include <nlohmann/json.hpp>

#include "base/result.hpp"

namespace lethe {

// What other programs write is read without exceptions: every one of these is `corrupt` when the JSON is not what is expected.

/// @error corrupt  not JSON, or more than that many octets.
Result<nlohmann::json> parse_json(std::string_view text, std::size_t limit_octets);

/// The member of an object, borrowed; null where the object lacks it, or is none, so that one check of the type covers both.
const nlohmann::json& json_member(const nlohmann::json& object, const char* name);
/// The member of an object that is an array, borrowed from it.
Result<const nlohmann::json*> json_array(const nlohmann::json& object, const char* name);
Result<std::string> json_text(const nlohmann::json& object, const char* name);
/// The same, and empty where the member is null or missing: an empty cell of one of systemd's tables.
Result<std::string> json_optional_text(const nlohmann::json& object, const char* name);
Result<bool> json_boolean(const nlohmann::json& object, const char* name);
/// @param limit  the largest number that is taken.
Result<std::uint32_t> json_number(const nlohmann::json& object, const char* name, std::uint32_t limit);

}  // namespace lethe
