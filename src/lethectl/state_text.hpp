#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lethectl/state.hpp"

// What lethectl says about the relays' state. No bus, no clock.
namespace lethe::ctl {

/// What was read; or, when lethe-stated did not answer, a keeper whose state is "unknown", and why.
States states_or_unknown(const Outcome<States>& read);

/// That of one relay; its source is "unknown" when it is not among them, as one that has just been made.
RelayState state_of(const States& states, const std::string& relay);

/// Whether the relay's state is a person's business: what there was to restore was lost, or no snapshots are taken, or nobody knows.
bool needs_person(const StateKeeper& keeper, const RelayState& relay);

/// The relay's state in a word or two: "3.2 MB/s", the bandwidth that was restored; "new", there was nothing; "lost"; "lost but 3.2 MB/s",
/// the bandwidth history alone was saved; "kept", tor had it already; "unknown".
std::string state_word(const StateKeeper& keeper, const RelayState& relay);

/// The source of the last restore in words.
std::string source_text(const std::string& source);

/// The table of `lethectl state show`, what is left of the day's budget, and the reasons, each once.
/// @param now  seconds since the epoch.
std::string states_text(const States& states, std::uint64_t now);
nlohmann::ordered_json states_json(const States& states);

/// A line about what keeps snapshots from being taken or restored; empty when nothing does.
std::string trouble_text(const StateKeeper& keeper);

}  // namespace lethe::ctl
