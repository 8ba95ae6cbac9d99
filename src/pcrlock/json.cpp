#include "pcrlock/json.hpp"

#include <algorithm>

namespace lethe {

namespace {

constexpr std::uint32_t last_pcr = 23;

Result<AdmittedPcr> admitted_pcr(const nlohmann::json& entry, std::size_t limit_values) {
    AdmittedPcr admitted{TRY(json_pcr(entry)), {}};
    for (const nlohmann::json& value : *TRY(json_array(entry, "values"))) {
        if (admitted.values.size() == limit_values)
            return fail(ErrorKind::corrupt, "PCR {} has more than {} values", admitted.pcr, limit_values);
        const Digest digest = TRY(json_digest(value));
        if (std::ranges::contains(admitted.values, digest)) return fail(ErrorKind::corrupt, "PCR {} has one value twice", admitted.pcr);
        admitted.values.push_back(digest);
    }
    if (admitted.values.empty()) return fail(ErrorKind::corrupt, "PCR {} has no values", admitted.pcr);
    return admitted;
}

}  // namespace

Result<unsigned> json_pcr(const nlohmann::json& object) { return json_number(object, "pcr", last_pcr); }

Result<Digest> json_digest(const nlohmann::json& value) {
    Digest digest;
    if (!value.is_string()) return fail(ErrorKind::corrupt, "no digest where one is expected");
    const Octets octets = TRY(from_hex(value.get_ref<const std::string&>()));
    if (octets.size() != digest.size()) return fail(ErrorKind::corrupt, "a digest of {} octets where SHA-256 is expected", octets.size());
    std::ranges::copy(octets, digest.begin());
    return digest;
}

Result<Digest> json_digest(const nlohmann::json& object, const char* name) { return json_digest(json_member(object, name)); }

Result<PcrPolicy> json_policy(const nlohmann::json& array, std::size_t limit_values) {
    if (!array.is_array()) return fail(ErrorKind::corrupt, "no array of PCRs");
    PcrPolicy policy;
    for (const nlohmann::json& entry : array) {
        AdmittedPcr admitted = TRY(admitted_pcr(entry, limit_values));
        // systemd evaluates the PCRs in ascending order whatever the file's order is.
        if (!policy.empty() && policy.back().pcr >= admitted.pcr)
            return fail(ErrorKind::corrupt, "PCR {} after PCR {}", admitted.pcr, policy.back().pcr);
        policy.push_back(std::move(admitted));
    }
    return policy;
}

nlohmann::json to_json(const PcrPolicy& policy) {
    nlohmann::json array = nlohmann::json::array();
    for (const AdmittedPcr& admitted : policy) {
        nlohmann::json values = nlohmann::json::array();
        for (const Digest& value : admitted.values) values.push_back(to_hex(value));
        array.push_back({{"pcr", admitted.pcr}, {"values", std::move(values)}});
    }
    return array;
}

}  // namespace lethe
