#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace lethe {

/// Where a relay's state comes from and where it goes to.
struct StateFolders {
    std::filesystem::path laid_out;  ///< by lethe-stated; gone when it has been taken over
    std::filesystem::path reason;    ///< a file in which lethe-stated says why it has laid out nothing
    std::filesystem::path data;      ///< tor's data folder
    std::filesystem::path keys;      ///< tor's key folder
};

/// What tor will find.
struct TakenOver {
    std::optional<std::chrono::sys_seconds> written{};  ///< when its state was; nothing when there is none
    std::string loss{};                                 ///< why it is not the newest; empty when it is
};

/// Puts what lethe-stated has laid out where tor finds it: the onion keys, then the cached files and last the state file, each by way of a
/// rename, all with the owner and mode that tor gives them. A process that dies in between is followed by one that begins again. A data
/// folder that has a state file keeps its own, which is newer: tor was only started again.
///
/// A state from the future counts as lost: a wrong clock has written it. Then tor is given the one that lethe-stated has kept from before
/// the clock jumped, when there is one; and so it is when the state is older than that one.
///
/// @param required  whether tor may not start without state when it was lost.
/// @param now       what the clock says, once a time server has set it; before that nothing is known of the future.
/// @error wrong_state  `required`, and nothing was restored: the reason; or lethe-stated has said nothing at all.
/// @error io
Result<TakenOver> take_over_state(const StateFolders& folders, bool required, std::optional<std::chrono::sys_seconds> now = {});

}  // namespace lethe
