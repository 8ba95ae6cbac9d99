#include "base/json.hpp"

namespace lethe {

const nlohmann::json& json_member(const nlohmann::json& object, const char* name) {
    static const nlohmann::json none;
    if (!object.is_object()) return none;
    const auto found = object.find(name);
    return found == object.end() ? none : *found;
}

Result<nlohmann::json> parse_json(std::string_view text, std::size_t limit_octets) {
    if (text.size() > limit_octets) return fail(ErrorKind::corrupt, "{} octets where at most {} are expected", text.size(), limit_octets);
    nlohmann::json document = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
    if (document.is_discarded()) return fail(ErrorKind::corrupt, "not JSON");
    return document;
}

Result<const nlohmann::json*> json_array(const nlohmann::json& object, const char* name) {
    const nlohmann::json& value = json_member(object, name);
    if (!value.is_array()) return fail(ErrorKind::corrupt, "no array \"{}\"", name);
    return &value;
}

Result<std::string> json_text(const nlohmann::json& object, const char* name) {
    const nlohmann::json& value = json_member(object, name);
    if (!value.is_string()) return fail(ErrorKind::corrupt, "no text \"{}\"", name);
    return value.get<std::string>();
}

Result<std::string> json_optional_text(const nlohmann::json& object, const char* name) {
    if (json_member(object, name).is_null()) return std::string();
    return json_text(object, name);
}

Result<bool> json_boolean(const nlohmann::json& object, const char* name) {
    const nlohmann::json& value = json_member(object, name);
    if (!value.is_boolean()) return fail(ErrorKind::corrupt, "no truth value \"{}\"", name);
    return value.get<bool>();
}

Result<std::uint32_t> json_number(const nlohmann::json& object, const char* name, std::uint32_t limit) {
    const nlohmann::json& value = json_member(object, name);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > limit)
        return fail(ErrorKind::corrupt, "no number \"{}\" up to {}", name, limit);
    return value.get<std::uint32_t>();
}

}  // namespace lethe
