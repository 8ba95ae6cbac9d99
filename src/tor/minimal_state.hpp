#pragma once

#include "base/octets.hpp"
#include "tor/state_file.hpp"

namespace lethe {

/// The little of a relay's state that brings its bandwidth back, for a place that holds a few hundred octets: what tor measured, nothing
/// made up. Numbers are whole KiB, as tor writes them.
struct MinimalState {
    std::chrono::sys_seconds last_written;
    BandwidthHistory read;
    BandwidthHistory write;
    bool operator==(const MinimalState&) const = default;
};

/// The last six intervals of a history, of which tor uses no more; each takes eight octets.
inline constexpr std::size_t minimal_history_limit_count = 6;
inline constexpr std::size_t minimal_state_limit_octets = 131;

/// The state that is left of a whole one. Numbers are rounded down to KiB, as tor does when it writes them again.
/// @error not_found  no history of reading and writing in it: tor did not run as a relay.
Result<MinimalState> minimal_state(const StateFile& state);

/// At most minimal_state_limit_octets; one encoding for one state. Layout in docs/formats.md. The form has no check sum: whoever keeps it
/// authenticates it.
/// @param state  from minimal_state() or decode_minimal_state().
Octets encode_minimal_state(const MinimalState& state);
/// @error corrupt
Result<MinimalState> decode_minimal_state(OctetView octets);

/// A state file for tor, which parse_state_file takes. tor goes on with these histories and makes the rest anew.
std::string to_state_text(const MinimalState& state);

}  // namespace lethe
