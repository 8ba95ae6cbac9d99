#pragma once

#include "base/json.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

// What systemd-pcrlock writes; read as in base/json.hpp.

/// The number of a PCR, 0 to 23.
Result<unsigned> json_pcr(const nlohmann::json& object);
/// 64 hexadecimal digits.
Result<Digest> json_digest(const nlohmann::json& value);
Result<Digest> json_digest(const nlohmann::json& object, const char* name);

/// The array that systemd uses for policies and predictions alike: [{"pcr": N, "values": ["HEX", ...]}, ...], PCRs ascending.
///
/// @param limit_values  how many values one PCR may have.
Result<PcrPolicy> json_policy(const nlohmann::json& array, std::size_t limit_values);
nlohmann::json to_json(const PcrPolicy& policy);

}  // namespace lethe
