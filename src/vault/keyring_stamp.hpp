#pragma once

#include <chrono>
#include <optional>

#include "base/secret.hpp"

namespace lethe {

/// When the machine of a store in the TPM was enrolled: the payload of `keyring` begins with it when its generation is one that the TPM has
/// counted. What else is in there, this does not look at. Layout in docs/formats.md, "Keyring".
struct KeyringStamp {
    std::chrono::sys_time<std::chrono::minutes> enrolled;
    bool taken_over = false;  ///< from a release that did not count; `enrolled` says when
    bool operator==(const KeyringStamp&) const = default;
};

constexpr std::uint8_t unstamped_keyring_version = 1, stamped_keyring_version = 2;

std::uint32_t encode_stamp(const KeyringStamp& stamp);
KeyringStamp decode_stamp(std::uint32_t stamp);

/// Nothing when it has none.
std::optional<KeyringStamp> stamp_of_keyring(const Secret& payload);
/// The same keyring with a stamp, in the place of the one that it has.
Secret stamped_keyring(const Secret& payload, const KeyringStamp& stamp);

}  // namespace lethe
