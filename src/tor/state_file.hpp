#pragma once

#include <map>

#include "base/octets.hpp"
#include "tor/bandwidth.hpp"
#include "tor/state_line.hpp"

namespace lethe {

/// What tor counts. `read` and `write` are all of a relay's traffic, the others are parts of them.
enum class Traffic { read, write, ipv6_read, ipv6_write, directory_read, directory_write };

/// What a relay's `state` file says, as far as it matters when it is put back. The octets stay the caller's.
struct StateFile {
    std::chrono::sys_seconds last_written;
    std::string tor_version;                          ///< "Tor 0.4.9.15"
    std::map<Traffic, BandwidthHistory> bandwidth{};  ///< those that are there; tor writes all of them when it runs as a relay
};

/// Parses a relay's state file, and refuses what tor would move aside (`state.0`), die of or read in part; and what it did not write, or
/// not to its end. It takes a truncated file without a word. So TorVersion and LastWritten must be there, which tor always writes and never
/// needs; each history must be whole; and nothing may be there twice but what tor repeats. Keys that tor does not know are for another tor
/// and may have any value.
/// @error corrupt  the message names the line or the key.
/// Source: tor 0.4.9.15, app/config/statefile.c; its behaviour.
Result<StateFile> parse_state_file(OctetView file);

/// See observed_bandwidth in tor/bandwidth.hpp; 0 without both histories.
std::uint64_t observed_bandwidth(const StateFile& state, std::chrono::sys_seconds now);

/// The four lines of a history, in tor's order.
std::string history_lines(Traffic traffic, const BandwidthHistory& history);

}  // namespace lethe
