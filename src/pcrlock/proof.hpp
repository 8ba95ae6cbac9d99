#pragma once

#include "pcrlock/policy_file.hpp"

namespace lethe {

/// The proof: that a boot with these values will open what is sealed under the policy. It names every PCR that is required; in each of the
/// boots a session comes to its digest; and that digest is what the NV index holds, which the TPM compares with it.
///
/// @param boots    the PCR values at each moment at which the vault may be opened, such as one for each phase. At least one.
/// @param content  of the NV index.
/// @error policy_mismatch   it does not; the message says why, and nothing in the TPM has been changed.
/// @error invalid_argument  no boots, or a policy that systemd-pcrlock would not make.
Result<void> prove(const PcrPolicy& policy, std::span<const unsigned> required, std::span<const PcrValues> boots, OctetView content);

}  // namespace lethe
