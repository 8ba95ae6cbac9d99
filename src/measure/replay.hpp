#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "measure/measurement.hpp"

namespace lethe {

/// Who started the TPM: PCR 0 begins with this number in its last octet. Source: TPM 2.0 Part 3, TPM2_Startup; TCG PC Client Platform
/// Firmware Profile, section 10, "Startup Locality Event".
enum class StartupLocality : std::uint8_t { locality_0 = 0, locality_3 = 3, h_crtm = 4 };
inline constexpr std::array all_startup_localities{StartupLocality::locality_0, StartupLocality::locality_3, StartupLocality::h_crtm};

/// The values of all PCRs in one bank, by number.
using PcrBank = std::array<BankDigest, pcr_count>;

/// What the PCRs of a PC hold when the TPM has started: ones in PCRs 17 to 22, which a dynamic launch clears, and zeros in the others.
///
/// Source: TCG PC Client Platform TPM Profile, "PCR Attributes".
PcrBank reset_values(Bank bank, StartupLocality locality);

/// Computes what the PCRs hold after these measurements. Touches no TPM.
///
/// A dynamic launch (D-RTM) is not followed: it would reset PCRs 17 to 22 on the way.
/// @param measurements  in the order of the events; all of `bank`.
/// @error invalid_argument  a measurement of another bank, or into a PCR that a PC has not.
/// Source: TPM 2.0 Part 3, TPM2_PCR_Extend.
Result<PcrBank> replay(Bank bank, std::span<const Measurement> measurements, StartupLocality locality = StartupLocality::locality_0);

}  // namespace lethe
