#pragma once

#include "tpm/tpm.hpp"

namespace lethe {

// Pure twins of the TPM's policy commands, in SHA-256: each returns what the policy session's digest becomes.

/// TPM2_PolicyPCR over `values`, all of them, from the session digest `before`. Source: TPM 2.0 Part 3, 23.7.
Digest policy_pcr(const Digest& before, const PcrValues& values);

/// TPM2_PolicyOR of 2 to 8 branches. Source: TPM 2.0 Part 3, 23.6.
/// @error invalid_argument  fewer than 2 or more than 8.
Result<Digest> policy_or(std::span<const Digest> branches);

/// TPM2_PolicyAuthorizeNV of the index with this name (34 octets). Source: TPM 2.0 Part 3, 23.22.
Digest policy_authorize_nv(OctetView nv_name);

/// The digest that systemd-pcrlock computes for a policy: one PolicyPCR over the PCRs with one value, then for each other PCR in turn a
/// PolicyPCR and a PolicyOR over its values. Source: systemd 257 tpm2-util.c, tpm2_calculate_pubkey_policy and pcrlock.c.
/// @error invalid_argument  no PCR at all, a PCR without values, or one with more than 8.
Result<Digest> pcrlock_policy(const PcrPolicy& policy);

/// One PolicyOR step: what every branch of a multi-valued PCR comes to, from the session digest `before`.
std::vector<Digest> policy_pcr_branches(const Digest& before, const AdmittedPcr& pcr);

/// What an NV index that authorises `policy` holds: TPMT_HA, the algorithm 0x000B and the digest; 34 octets.
Octets authorized_policy_content(const Digest& policy);

/// The PCRs of `policy` to whose admitted values the present one does not belong, or which `present` lacks.
std::vector<unsigned> refused_pcrs(const PcrPolicy& policy, const PcrValues& present);

}  // namespace lethe
