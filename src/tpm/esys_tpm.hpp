#pragma once

#include "tpm/tpm.hpp"

struct TSS2_TCTI_OPAQUE_CONTEXT_BLOB;  // TSS2_TCTI_CONTEXT; named here so that this header needs no tss2 header

namespace lethe {

/// The TPM behind a TCTI, through ESAPI. Sends no command yet.
///
/// @param tcti  a TCTI name and configuration as tss2-tctildr takes them, such as "device:/dev/tpmrm0".
/// @error tpm_unavailable  there is none; the message names the TCTI.
Result<std::unique_ptr<Tpm>> open_esys_tpm(const std::string& tcti);

/// The same on a TCTI that the caller owns and that outlives the Tpm.
std::unique_ptr<Tpm> esys_tpm_on(TSS2_TCTI_OPAQUE_CONTEXT_BLOB* tcti);

/// The kernel's resource manager, /dev/tpmrm0, unless a test has put a TPM in its place.
std::string default_tcti();

}  // namespace lethe
