#pragma once

#include <nlohmann/json.hpp>

#include "tpm/tpm.hpp"

namespace lethe {

// What systemd-pcrlock writes is read without exceptions: every one of these is `corrupt` when the JSON is not what is expected.

Result<nlohmann::json> parse_json(std::string_view text, std::size_t limit_octets);

/// The member of an object that is an array, borrowed from it.
Result<const nlohmann::json*> json_array(const nlohmann::json& object, const char* name);
Result<std::string> json_text(const nlohmann::json& object, const char* name);
/// The same, and empty where the member is null or missing: an empty cell of one of systemd's tables.
Result<std::string> json_optional_text(const nlohmann::json& object, const char* name);
Result<bool> json_boolean(const nlohmann::json& object, const char* name);
/// @param limit  the largest number that is taken.
Result<std::uint32_t> json_number(const nlohmann::json& object, const char* name, std::uint32_t limit);
/// The number of a PCR, 0 to 23.
Result<unsigned> json_pcr(const nlohmann::json& object);
/// 64 hexadecimal digits.
Result<Digest> json_digest(const nlohmann::json& value);
Result<Digest> json_digest(const nlohmann::json& object, const char* name);

/// The array that systemd uses for policies and predictions alike: [{"pcr": N, "values": ["HEX", ...]}, ...], PCRs ascending.
///
/// @param limit_values  how many values one PCR may have.
Result<PcrPolicy> json_policy(const nlohmann::json& array, std::size_t limit_values);

}  // namespace lethe
