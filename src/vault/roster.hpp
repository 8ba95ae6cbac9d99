#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>

#include "vault/store.hpp"

namespace lethe {

/// How far a relay's keys have come. Only a `pending` relay gets new keys without a person asking for it: one that is `created` and has no
/// identity object has lost it, and nothing is minted in its place.
enum class RelayStage : std::uint8_t {
    pending = 0,
    created = 1,
    forgotten = 2,  ///< what is left of it is to be erased
    arriving = 3,   ///< a person is bringing keys; without them, whole, there is no such relay
};
constexpr RelayStage last_stage = RelayStage::arriving;

/// What the list says of one relay.
struct RosterEntry {
    using Fingerprint = std::array<std::uint8_t, 20>;  ///< of the RSA identity

    RelayStage stage = RelayStage::pending;
    std::optional<Fingerprint> fingerprint{};  ///< known from when the keys are sealed, so that a person can name keys that are damaged
    std::optional<Fingerprint> successor{};    ///< while an identity is being replaced: the new one's
    bool operator==(const RosterEntry&) const = default;
};

/// The relays that are meant to exist on this machine, by name: the payload of the `relays` object.
using Roster = std::map<std::string, RosterEntry>;

/// Written as version 2; version 1, without fingerprints, is read as well.
Secret encode_roster(const Roster& roster);
/// @error corrupt
Result<Roster> decode_roster(const Secret& payload);

/// @param key  the kind key of ObjectKind::relays.
/// @error not_found, corrupt
Result<Roster> read_roster(const Store& store, const Secret& key);
Result<void> write_roster(Store& store, const Secret& key, const Roster& roster);

}  // namespace lethe
