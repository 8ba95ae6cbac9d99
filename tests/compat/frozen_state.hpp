#pragma once

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>

#include "tor/key_set.hpp"
#include "vault/minimal_states.hpp"

namespace lethe {

/// Where the TPM has the minimal states: one that has grown lies at the other handle.
inline std::uint32_t minimal_index_of(Tpm& tpm) {
    return tpm.nv_index(minimal_state_index_handle) ? minimal_state_index_handle : minimal_state_second_handle;
}

/// What a relay's tor is given.
struct FrozenState {
    std::string source;                        ///< name_of(StateSource)
    std::map<std::string, std::string> files;  ///< the text of `state`; of another file its SHA-256 in hex
    std::uint64_t bandwidth = 0;               ///< octets a second that it announces from that
    bool operator==(const FrozenState&) const = default;
};
using FrozenStates = std::map<std::string, FrozenState>;

std::map<std::string, std::string> frozen_files(const KeyFiles& files);

void to_json(nlohmann::ordered_json& json, const FrozenState& state);
/// Throws when it is not such an object; which fails the test.
void from_json(const nlohmann::ordered_json& json, FrozenState& state);

/// For a failed expectation.
std::ostream& operator<<(std::ostream& stream, const FrozenState& state);

}  // namespace lethe
