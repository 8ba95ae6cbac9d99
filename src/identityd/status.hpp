#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tor/key_set.hpp"

namespace lethe {

enum class VaultState { open, shut, not_enrolled };
std::string_view name_of(VaultState state);

struct VaultStatus {
    VaultState state = VaultState::shut;
    std::optional<Error> reason;  ///< none when it is open
};

enum class RelayState {
    installed,  ///< the keys lie where tor finds them
    damaged,    ///< they cannot be read or installed; never replaced by new ones
    pending,    ///< meant to be made, and could not be made yet
    shut,       ///< the vault is shut
    unlisted,   ///< an identity is there, and no such relay is meant to be on this machine
};
std::string_view name_of(RelayState state);

struct RelayStatus {
    std::string name;
    RelayState state = RelayState::damaged;
    std::string reason;                        ///< what happened and what to do; when installed, a note or empty
    std::optional<Fingerprints> fingerprints;  ///< when the identity could be read
    std::string fingerprint;                   ///< the RSA identity's as the list or the identity has it; empty when neither says
    std::filesystem::path key_folder;          ///< empty when not installed
    std::uint64_t generation = 0;
    std::int64_t signing_key_expires = 0;  ///< seconds since the epoch; 0 when there is none
    bool has_master_key = false;
    std::vector<std::string> family_ids;
    bool operator==(const RelayStatus&) const = default;
};

}  // namespace lethe
