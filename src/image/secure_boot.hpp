#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

enum class SecureBoot {
    off,
    setup,  ///< the firmware has no platform key: it checks nothing, and takes the keys that it is given
    on,     ///< the firmware starts only what is signed with its keys
};
std::string_view name_of(SecureBoot state);

/// What the firmware says: on when SecureBoot is 1 and SetupMode is 0. A variable that is absent counts as off.
/// @param efivars  where efivarfs is mounted.
/// @error corrupt  a variable is not as the firmware makes it: its size, its value or its attributes are others, so somebody set it.
/// Source: UEFI 2.10, 3.3, table 3.1, Globally Defined Variables.
Result<SecureBoot> read_secure_boot(const std::filesystem::path& efivars);

/// How Secure Boot is turned on from that state: what follows "Secure Boot is off: ", without a full stop.
std::string_view way_to_secure_boot(SecureBoot state);

/// Whether this machine may be enrolled. @error wrong_state  Secure Boot is not on; the message says in one sentence how to get there.
Result<void> require_secure_boot(SecureBoot state);

}  // namespace lethe
