#pragma once

#include "base/result.hpp"

namespace lethe {

/// Keeps the process out of core dumps, and other processes of its user from tracing it: for one that holds a Secret for a moment, and
/// beside it files that are too large to be locked in memory. Others call lock_down_process().
/// @error io
Result<void> shield_process();

}  // namespace lethe
