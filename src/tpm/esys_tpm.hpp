#pragma once

#include "tpm/tpm.hpp"

namespace lethe {

/// The TPM behind a TCTI, through ESAPI.
///
/// @param tcti  a TCTI name and configuration as tss2-tctildr takes them, such as "device:/dev/tpmrm0".
/// @error tpm_unavailable  there is none, or it does not answer; the message names the TCTI.
Result<std::unique_ptr<Tpm>> open_esys_tpm(const std::string& tcti);

/// $LETHE_TCTI when it is set (for tests), else the kernel's resource manager, /dev/tpmrm0.
std::string default_tcti();

}  // namespace lethe
