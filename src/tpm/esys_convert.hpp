#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "tpm/tpm.hpp"

namespace lethe {

TPM2B_DIGEST to_tpm2b(const Digest& digest);
TPML_PCR_SELECTION to_selection(std::span<const unsigned> pcrs);

Octets marshal(const TPM2B_PUBLIC& area);
Octets marshal(const TPM2B_PRIVATE& area);

/// The octets must be one such structure and nothing more. @error corrupt
Result<TPM2B_PUBLIC> unmarshal_public(OctetView octets);
Result<TPM2B_PRIVATE> unmarshal_private(OctetView octets);

}  // namespace lethe
