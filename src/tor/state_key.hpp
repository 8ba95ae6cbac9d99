#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// What tor reads behind a key of its state file.
enum class StateType {
    time,
    number,   ///< at most INT_MAX
    octets,   ///< tor also takes units, and writes none
    numbers,  ///< separated by commas
    choice,   ///< 0, 1 or auto
    text,
    guard,           ///< may be there often, as may the two that follow
    build_time_bin,  ///< milliseconds and how often
    transport,
    virtual_list,  ///< a name for several keys, which tor refuses as a key
};

struct StateKey {
    std::string name;
    StateType type;
    bool repeats() const { return type == StateType::guard || type == StateType::build_time_bin || type == StateType::transport; }
};

/// The key of this name; none for a key that tor does not know, which it keeps as it is.
/// @error corrupt  tor would take the name for a key's: its case does not matter, nor does it have to be whole.
/// Source: tor 0.4.9, app/config/statefile.c and lib/confmgt/confmgt.c.
Result<const StateKey*> find_state_key(std::string_view name);

/// Whether tor takes the value, and as what it says: whatever tor would move a file aside for (`state.0`) is refused.
/// @error corrupt  the message goes on where the key's name stands.
/// Source: tor 0.4.9, lib/confmgt/type_defs.c, feature/client/entrynodes.c and core/or/circuitstats.c; its behaviour.
Result<void> check_state_value(StateType type, std::string_view value);

}  // namespace lethe
