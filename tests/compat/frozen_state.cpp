#include "frozen_state.hpp"

#include <nlohmann/json.hpp>

#include "tor/state_payload.hpp"
#include "tpm/policy.hpp"

namespace lethe {

std::map<std::string, std::string> frozen_files(const KeyFiles& files) {
    std::map<std::string, std::string> frozen;
    for (const auto& [name, octets] : files)
        frozen[name] = name == state_file_name ? std::string(as_text(octets.expose())) : to_hex(sha256(octets.expose()));
    return frozen;
}

void to_json(nlohmann::ordered_json& json, const FrozenState& state) {
    json = {{"source", state.source}, {"bandwidth", state.bandwidth}, {"files", state.files}};
}

void from_json(const nlohmann::ordered_json& json, FrozenState& state) {
    state = {json.at("source"), json.at("files"), json.at("bandwidth")};
}

std::ostream& operator<<(std::ostream& stream, const FrozenState& state) { return stream << nlohmann::ordered_json(state).dump(2); }

}  // namespace lethe
