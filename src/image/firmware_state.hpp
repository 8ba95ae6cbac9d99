#pragma once

#include <vector>

#include "image/secure_boot.hpp"

namespace lethe {

/// What the EFI variables say about the safety of this boot.
struct FirmwareState {
    SecureBoot secure_boot = SecureBoot::off;  ///< off as well when it cannot be told; `warnings` says why
    std::vector<std::string> warnings;         ///< what is not as it should be, and what to do
};

/// Reads Secure Boot, and looks for variables of systemd's that nothing here sets and that steer a boot: SystemdOptions, a second command
/// line, and the like. The measured command line switches the first one off, but somebody has set it.
/// @param efivars  where efivarfs is mounted.
/// Source: systemd 257, src/basic/efivars.c, systemd_efi_options_variable(); src/shared/hibernate-util.c; src/shared/factory-reset.c.
FirmwareState read_firmware_state(const std::filesystem::path& efivars);

}  // namespace lethe
