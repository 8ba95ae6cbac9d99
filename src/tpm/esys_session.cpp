#include "tpm/esys_session.hpp"

#include <algorithm>

#include "tpm/esys_convert.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

// Without the digest that is expected: the TPM's answer would be the same TPM_RC_VALUE, and the caller finds out which PCR it was anyway.
TSS2_RC policy_pcr_command(const EsysContext& esys, const EsysHandle& session, std::span<const unsigned> pcrs) {
    const TPML_PCR_SELECTION selection = to_selection(pcrs);
    return esys([&](ESYS_CONTEXT* context) {
        return Esys_PolicyPCR(context, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr, &selection);
    });
}

TSS2_RC policy_or_command(const EsysContext& esys, const EsysHandle& session, std::span<const Digest> branches) {
    TPML_DIGEST list{};
    for (const Digest& branch : branches) list.digests[list.count++] = to_tpm2b(branch);
    return esys(
        [&](ESYS_CONTEXT* context) { return Esys_PolicyOR(context, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &list); });
}

}  // namespace

std::expected<EsysHandle, TSS2_RC> start_session(const EsysContext& esys, ESYS_TR salt_key, TPM2_SE type) {
    TPMT_SYM_DEF symmetric{};
    symmetric.algorithm = TPM2_ALG_NULL;
    if (type == TPM2_SE_HMAC) {
        symmetric.algorithm = TPM2_ALG_AES;
        symmetric.keyBits.aes = 128;
        symmetric.mode.aes = TPM2_ALG_CFB;
    }
    ESYS_TR session = ESYS_TR_NONE;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_StartAuthSession(context, salt_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr, type, &symmetric,
                                     TPM2_ALG_SHA256, &session);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(rc);
    return EsysHandle(esys, session);
}

TSS2_RC set_attributes(const EsysContext& esys, const EsysHandle& session, TPMA_SESSION attributes) {
    return Esys_TRSess_SetAttributes(esys.get(), session.get(), attributes, 0xFF);
}

TSS2_RC replay_policy(const EsysContext& esys, const EsysHandle& session, const PcrPolicy& policy) {
    PcrValues single;
    std::vector<unsigned> single_pcrs;
    for (const AdmittedPcr& pcr : policy) {
        if (pcr.values.size() != 1) continue;
        single.emplace(pcr.pcr, pcr.values.front());
        single_pcrs.push_back(pcr.pcr);
    }
    Digest digest{};
    if (!single.empty()) {
        if (const TSS2_RC rc = policy_pcr_command(esys, session, single_pcrs); rc != TSS2_RC_SUCCESS) return rc;
        digest = policy_pcr(digest, single);
    }
    for (const AdmittedPcr& pcr : policy) {
        if (pcr.values.size() == 1) continue;
        const std::vector<Digest> branches = policy_pcr_branches(digest, pcr);
        if (const TSS2_RC rc = policy_pcr_command(esys, session, std::array{pcr.pcr}); rc != TSS2_RC_SUCCESS) return rc;
        if (const TSS2_RC rc = policy_or_command(esys, session, branches); rc != TSS2_RC_SUCCESS) return rc;
        digest = policy_or(branches).value();  // 2 to 8 of them, in evaluation order
    }
    return TSS2_RC_SUCCESS;
}

}  // namespace lethe
