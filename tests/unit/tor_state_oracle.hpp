#pragma once

#include <optional>
#include <string>

#include "tor/state_file.hpp"
#include "tor_oracle.hpp"

namespace lethe {

/// What the real tor does with a state file.
struct StateVerdict {
    bool started = false;                     ///< it did not end
    bool kept = false;                        ///< and did not move the file aside
    std::string written{};                    ///< the file that it leaves when it ends
    std::optional<std::uint64_t> observed{};  ///< the observed bandwidth that its descriptor says; none: it makes no descriptor
};

/// Starts tor as a relay with this state file, has it make a descriptor, and ends it.
StateVerdict ask_tor_about_state(std::string_view state);

/// The clock that tor goes by.
std::chrono::sys_seconds wall_clock();

/// A history of days of which the last is in the middle.
BandwidthHistory history_at(std::chrono::sys_seconds now, std::vector<std::uint64_t> maxima, std::vector<std::uint64_t> values = {});

/// A relay's state file written at that time, TorVersion last, with this history of reading and of writing.
std::string state_with(std::chrono::sys_seconds now, const BandwidthHistory& read, const BandwidthHistory& write);

inline Result<StateFile> parse_state(std::string_view text) { return parse_state_file(as_octets(text)); }

}  // namespace lethe
