#pragma once

#include "image/booted_image.hpp"
#include "pcrlock/program.hpp"

namespace lethe {

/// The PCRs that every policy has to hold: 4, 7, 11, 12 and 13. Without Secure Boot 7 says nothing, and 2 is required in its place: it
/// holds the drivers that a disk or a card adds to the firmware, which nobody has to have signed then. Those of `extra` besides, ascending.
std::vector<unsigned> required_pcrs(bool secure_boot, std::span<const unsigned> extra);

/// Whether this boot's log says that the firmware measured Secure Boot as on, before all else that it put into PCR 7. An EFI variable is
/// what the last program to hook it says; what went into PCR 7 before anything was started stays there, and stays the first. The gate holds
/// the log to the TPM.
/// Source: TCG PC Client Platform Firmware Profile 1.05, 3.3.4.8, PCR[7].
bool measured_secure_boot(const EventLog& log);

/// Writes the components of the running boot: what Secure Boot checked, the firmware's code, the boot loader and the UKI with all that came
/// with it. The rest is static (pcrlock.d/). What an earlier call left is removed first, so that no older boot stays admitted.
///
/// @return the records of the UKI; the first one in PCR 4 is its image.
/// @error wrong_state  the files on the ESP are not what was booted.
Result<std::vector<Record>> lock_running_boot(Pcrlock& pcrlock, const BootedImage& image, std::span<const unsigned> pcrs);

/// Admits a release beside the running one: another variant of the UKI's component.
Result<void> lock_release(Pcrlock& pcrlock, const std::filesystem::path& uki, std::span<const Record> records);

/// Removes the components that lock_running_boot() writes.
Result<void> unlock_boots(Pcrlock& pcrlock);

}  // namespace lethe
