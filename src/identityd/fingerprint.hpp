#pragma once

#include <string_view>

#include "vault/roster.hpp"

namespace lethe {

/// A fingerprint as tor prints it: 40 hexadecimal digits, of either case, perhaps after a dollar sign or in groups.
/// @error invalid_argument
Result<RosterEntry::Fingerprint> parse_fingerprint(std::string_view text);

}  // namespace lethe
