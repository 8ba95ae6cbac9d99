#pragma once

#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// The TPM's response code without the number of the parameter, handle or session that it is about, and without the resource manager's
/// layer, so that it compares with the TPM2_RC_ constants. TSS2_BASE_RC_GENERAL_FAILURE, which no TPM answers, for what comes from
/// elsewhere.
TSS2_RC tpm_code(TSS2_RC rc);

/// Whether the TPM has judged the command: true for refusals, false for transport failures, warnings and a TPM that is not working.
bool is_verdict(TSS2_RC rc);

/// The error for a failure that says nothing about the caller's objects. `doing` is what was being done, as in "cannot read the PCRs".
Error esys_error(TSS2_RC rc, std::string_view doing);

}  // namespace lethe
