#pragma once

#include "tpm/tpm.hpp"

namespace lethe {

Digest sha256(OctetView octets);

/// TPM2_PCR_Extend: what a PCR becomes. Source: TPM 2.0 Part 3, 22.2.
Digest extended(const Digest& pcr, const Digest& digest);

// Pure twins of the TPM's policy commands, in SHA-256: each returns what the policy session's digest becomes. PCRs are 0 to 23.

/// TPMS_PCR_SELECTION lists as every policy here has them: one bank, SHA-256, three octets of bitmap. Source: TPM 2.0 Part 2, 10.9.7.
Octets pcr_selection(std::span<const unsigned> pcrs);

/// TPM2_PolicyPCR over `values`, all of them, from the session digest `before`. Source: TPM 2.0 Part 3, 23.7.
Digest policy_pcr(const Digest& before, const PcrValues& values);

/// TPM2_PolicyOR of 2 to 8 branches. Source: TPM 2.0 Part 3, 23.6.
/// @error invalid_argument  fewer than 2 or more than 8.
Result<Digest> policy_or(std::span<const Digest> branches);

/// TPM2_PolicyAuthorizeNV of the index with this name (34 octets). Source: TPM 2.0 Part 3, 23.22.
Digest policy_authorize_nv(OctetView nv_name);

/// The policy as systemd-pcrlock evaluates it, whatever the order of its file: PCRs ascending, values in order with repetitions left out.
/// Source: systemd 257 tpm2-util.c, tpm2_pcr_prediction_from_json.
/// @error invalid_argument  no PCR at all, one outside 0..23 or named twice, one without values or with more than 8.
Result<PcrPolicy> evaluation_order(const PcrPolicy& policy);

/// Whether both admit the same boots, PCR by PCR, in whatever order they say it. @error invalid_argument  as evaluation_order.
Result<bool> admit_the_same(const PcrPolicy& left, const PcrPolicy& right);

/// The digest that systemd-pcrlock computes for a policy: one PolicyPCR over the PCRs with one value, then for each other PCR in turn a
/// PolicyPCR and a PolicyOR over its values. Source: systemd 257 tpm2-util.c, tpm2_calculate_policy_super_pcr.
/// @error invalid_argument  as evaluation_order.
Result<Digest> pcrlock_policy(const PcrPolicy& policy);

/// The digest that a policy session comes to in a boot with these values, as the TPM would compute it command by command: PolicyPCR takes
/// what the PCRs hold, and PolicyOR refuses a digest that is none of its branches. pcrlock_policy() is what it has to come to.
/// @error policy_mismatch   a PCR has a value that is not admitted, or `values` lacks it.
/// @error invalid_argument  as evaluation_order.
/// Source: TPM 2.0 Part 3, TPM2_PolicyPCR and TPM2_PolicyOR; systemd 257 tpm2-util.c, tpm2_policy_super_pcr.
Result<Digest> session_policy(const PcrPolicy& policy, const PcrValues& values);

/// One PolicyOR step: what every branch of a multi-valued PCR comes to, from the session digest `before`.
std::vector<Digest> policy_pcr_branches(const Digest& before, const AdmittedPcr& pcr);

/// What an NV index that authorises `policy` holds: TPMT_HA, the algorithm 0x000B and the digest; 34 octets.
Octets authorized_policy_content(const Digest& policy);

/// Whether an NV index with this content has `policy` in force. @error invalid_argument  as evaluation_order.
Result<bool> is_in_force(const PcrPolicy& policy, OctetView content);

/// The PCRs of `policy` to whose admitted values the present one does not belong, or which `present` lacks.
std::vector<unsigned> refused_pcrs(const PcrPolicy& policy, const PcrValues& present);

/// Says it in words: "PCR 4 has a value that the policy does not admit", or "PCRs 4 and 11 have values ...". At least one PCR.
std::string in_words(const std::vector<unsigned>& refused);

}  // namespace lethe
