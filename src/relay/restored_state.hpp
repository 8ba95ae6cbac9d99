#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "base/result.hpp"

namespace lethe {

/// Where a relay's state comes from and where it goes to.
struct StateFolders {
    std::filesystem::path laid_out;  ///< by lethe-stated; gone when it has been taken over
    std::filesystem::path reason;    ///< a file in which lethe-stated says why it has laid out nothing
    std::filesystem::path data;      ///< tor's data folder
    std::filesystem::path keys;      ///< tor's key folder
};

/// Puts what lethe-stated has laid out where tor finds it: the onion keys, then the cached files and last the state file, each by way of a
/// rename, all with the owner and mode that tor gives them. A process that dies in between is followed by one that begins again. A data
/// folder that has a state file keeps its own, which is newer: tor was only started again.
///
/// @param required  whether tor may not start without state when lethe-stated says that it was lost.
/// @return when the state was written that tor will find; nothing when there is none.
/// @error wrong_state  `required`, and nothing was restored: the reason; or lethe-stated has said nothing at all.
/// @error io
Result<std::optional<std::chrono::sys_seconds>> take_over_state(const StateFolders& folders, bool required);

}  // namespace lethe
