#pragma once

#include "tpm/esys_context.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

// These return the TPM's own response codes: what a refusal means depends on the verb.

/// A session whose key only the holder of `salt_key`'s private part can know.
/// @param type  TPM2_SE_HMAC, able to encrypt parameters (AES-128-CFB), or TPM2_SE_POLICY.
std::expected<EsysHandle, TSS2_RC> start_session(const EsysContext& esys, ESYS_TR salt_key, TPM2_SE type);

/// What the session does in the commands from now on; attributes not given are off.
TSS2_RC set_attributes(const EsysContext& esys, const EsysHandle& session, TPMA_SESSION attributes);

/// Runs the commands of a policy in a session, in the order of pcrlock_policy(): the session comes to that digest if each PCR has one of
/// its values. The TPM refuses the PolicyOR of a PCR that has none; a single-valued PCR shows only in the digest.
/// @param policy  in evaluation order.
TSS2_RC replay_policy(const EsysContext& esys, const EsysHandle& session, const PcrPolicy& policy);

}  // namespace lethe
