#include "pcrlock/proof.hpp"

#include <algorithm>

#include "tpm/policy.hpp"

namespace lethe {

Result<void> prove(const PcrPolicy& policy, std::span<const unsigned> required, std::span<const PcrValues> boots, OctetView content) {
    if (boots.empty()) return fail(ErrorKind::invalid_argument, "no boot to prove that it opens the vault");
    for (const unsigned pcr : required)
        if (!std::ranges::contains(policy, pcr, &AdmittedPcr::pcr))
            return fail(ErrorKind::policy_mismatch, "the policy does not name PCR {}, so that it would admit any boot in that", pcr);
    const Digest digest = TRY(pcrlock_policy(policy));
    if (!TRY(is_in_force(policy, content))) return fail(ErrorKind::policy_mismatch, "the NV index does not hold the digest of the policy");
    for (const PcrValues& values : boots) {
        const auto reached = session_policy(policy, values);
        if (!reached) return in_context(reached.error(), "the boot that was predicted would not open the vault");
        if (*reached != digest) return fail(ErrorKind::policy_mismatch, "the boot that was predicted comes to another policy");
    }
    return {};
}

}  // namespace lethe
