#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/release.hpp"

namespace lethe {

struct RunningRelease {
    ReleaseName name;
    bool secure_boot = false;

    /// Tried after an update, and not kept yet: its file still counts boots.
    bool on_trial() const { return name.tries.has_value(); }
};

enum class StagedState {
    staged,      ///< the next boot tries it
    failed,      ///< it was tried, and the machine fell back to the running one
    unfinished,  ///< power went while it was written
};
std::string_view name_of(StagedState state);

struct StagedRelease {
    ReleaseName name;
    StagedState state;
};

enum class PolicyState {
    none,          ///< no ESP with releases
    not_enrolled,  ///< no policy
    running,       ///< admits the running release alone
    staged,        ///< and the staged one
    trial,         ///< the running release is tried; the one before it is still admitted
    unknown,       ///< the TPM or the ESP does not tell
    mismatch,      ///< does not admit the running release, or the TPM confirms none
};
std::string_view name_of(PolicyState state);

/// How things are, derived from the TPM, the store, the ESP and the boot.
struct UpdateStatus {
    std::optional<RunningRelease> running;
    std::optional<StagedRelease> staged;
    std::vector<std::string> admitted;  ///< versions, the running one first
    PolicyState policy = PolicyState::none;
    std::string reason;        ///< what is wrong, and what to do
    std::string last_failure;  ///< of the last update that was tried
};

}  // namespace lethe
