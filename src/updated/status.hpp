#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/release.hpp"

namespace lethe {

struct RunningRelease {
    ReleaseName name;   ///< its version as the image has it, where the file has another name than that release's
    std::string file;   ///< its name on the ESP
    bool named = true;  ///< that is its release's
    bool secure_boot = false;
    bool trial = false;  ///< tried after an update: its file counts boots, and this boot has not been found good
};

enum class StagedState {
    staged,      ///< the next boot tries it
    failed,      ///< it was tried, or the boot loader passed it over, and the machine fell back to the running one
    waiting,     ///< it was tried and lacked the network alone; it is kept where no boot loader starts it, to be staged again
    unfinished,  ///< power went while it was written
};
std::string_view name_of(StagedState state);

struct StagedRelease {
    ReleaseName name;
    StagedState state;
    unsigned trials = 0;                                 ///< of one that waits: how many failed for want of the network
    std::optional<std::chrono::sys_seconds> again = {};  ///< and when it is staged again
};

enum class PolicyState {
    none,          ///< no ESP with releases
    not_enrolled,  ///< no policy
    running,       ///< admits the running release alone
    staged,        ///< and the staged one
    trial,         ///< the running release is tried; the one before it is still admitted
    wide,          ///< admits another one besides, and nothing needs that: the reason says which and why
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
