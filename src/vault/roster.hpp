#pragma once

#include <map>
#include <string>

#include "vault/store.hpp"

namespace lethe {

/// Whether a relay's keys are still to be made. Only a `pending` relay gets new keys without a person asking for it: one that is `created`
/// and has no identity object has lost it, and nothing is minted in its place.
enum class RelayStage : std::uint8_t { pending = 0, created = 1 };

/// The relays that are meant to exist on this machine, by name: the payload of the `relays` object.
using Roster = std::map<std::string, RelayStage>;

Secret encode_roster(const Roster& roster);
/// @error corrupt
Result<Roster> decode_roster(const Secret& payload);

/// @param key  the kind key of ObjectKind::relays.
/// @error not_found, corrupt
Result<Roster> read_roster(const Store& store, const Secret& key);
Result<void> write_roster(Store& store, const Secret& key, const Roster& roster);

}  // namespace lethe
