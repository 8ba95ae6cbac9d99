#include <openssl/crypto.h>

#include <algorithm>

#include "tpm/esys_convert.hpp"
#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_session.hpp"
#include "tpm/esys_verbs.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

constexpr unsigned most_tries = 16;  // of the policy, while PCRs change under it

enum class Step { session, load, policy, authorize, unseal };
struct Refusal {
    Step step;
    TSS2_RC rc;
};
template <class T>
using Attempt = std::expected<T, Refusal>;

struct Request {
    const TpmReference& root;
    const TpmReference& index;
    const PcrPolicy& policy;  ///< in evaluation order
    TPM2B_PUBLIC public_area;
    TPM2B_PRIVATE private_area;
    ESYS_TR root_object;
    ESYS_TR index_object;
};

Attempt<EsysHandle> load(const EsysContext& esys, const Request& request, const EsysHandle& session) {
    ESYS_TR object = ESYS_TR_NONE;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_Load(context, request.root_object, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &request.private_area,
                         &request.public_area, &object);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(Refusal{Step::load, rc});
    return EsysHandle(esys, object);
}

/// A policy session that the policy, and the NV index with it, have authorised.
Attempt<EsysHandle> authorize(const EsysContext& esys, const Request& request) {
    auto session = start_session(esys, request.root_object, TPM2_SE_POLICY);
    if (!session) return std::unexpected(Refusal{Step::session, session.error()});
    if (const TSS2_RC rc = replay_policy(esys, *session, request.policy); rc != TSS2_RC_SUCCESS)
        return std::unexpected(Refusal{Step::policy, rc});
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_PolicyAuthorizeNV(context, ESYS_TR_RH_OWNER, request.index_object, session->get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                      ESYS_TR_NONE);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(Refusal{Step::authorize, rc});
    return *std::move(session);
}

/// Ends both sessions when it succeeds: neither has CONTINUESESSION.
Attempt<Secret> take_secret(const EsysContext& esys, const EsysHandle& object, EsysHandle& policy, EsysHandle& encryption) {
    TSS2_RC rc = set_attributes(esys, policy, 0);
    if (rc == TSS2_RC_SUCCESS) rc = set_attributes(esys, encryption, TPMA_SESSION_ENCRYPT);
    TPM2B_SENSITIVE_DATA* data = nullptr;
    if (rc == TSS2_RC_SUCCESS)
        rc = esys(
            [&](ESYS_CONTEXT* context) { return Esys_Unseal(context, object.get(), policy.get(), encryption.get(), ESYS_TR_NONE, &data); });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(Refusal{Step::unseal, rc});
    policy.release();
    encryption.release();
    Secret secret = Secret::copy_of({data->buffer, data->size});
    OPENSSL_cleanse(data, sizeof *data);
    Esys_Free(data);
    esys.scrub();
    return secret;
}

Attempt<Secret> attempt(const EsysContext& esys, const Request& request) {
    auto encryption = start_session(esys, request.root_object, TPM2_SE_HMAC);
    if (!encryption) return std::unexpected(Refusal{Step::session, encryption.error()});
    if (const TSS2_RC rc = set_attributes(esys, *encryption, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION);
        rc != TSS2_RC_SUCCESS)
        return std::unexpected(Refusal{Step::session, rc});
    const Attempt<EsysHandle> object = load(esys, request, *encryption);
    if (!object) return std::unexpected(object.error());
    for (unsigned tries = 1;; ++tries) {
        Attempt<EsysHandle> policy = authorize(esys, request);
        Attempt<Secret> secret = policy ? take_secret(esys, *object, *policy, *encryption) : std::unexpected(policy.error());
        // IMA's PCR 10, for one, may change at any time, and its change voids every policy session (TPM 2.0 Part 3, 23.7).
        if (secret || tpm_code(secret.error().rc) != TPM2_RC_PCR_CHANGED || tries == most_tries) return secret;
    }
}

/// What a refusal by the policy comes from. The TPM does not say, so that the PCRs and the index are looked at once more.
Error policy_error(const EsysContext& esys, const Request& request, TSS2_RC rc) {
    std::vector<unsigned> pcrs;
    for (const AdmittedPcr& pcr : request.policy) pcrs.push_back(pcr.pcr);
    const Result<PcrValues> present = esys_read_pcrs(esys, pcrs);
    if (!present) return present.error();
    if (const auto refused = refused_pcrs(request.policy, *present); !refused.empty())
        return {ErrorKind::policy_mismatch, in_words(refused) + "; boot a release that is admitted"};
    const std::uint32_t handle = handle_of(request.index);
    const Result<Octets> content = esys_nv_read(esys, handle);
    if (!content) return content.error();
    if (!is_in_force(request.policy, *content).value())
        return {ErrorKind::policy_mismatch,
                std::format("the policy is not the one that the NV index {:#x} holds; use the newest one", handle)};
    return esys_error(rc, "the TPM refuses a policy that should admit this boot");
}

Error explain(const EsysContext& esys, const Request& request, const Refusal& refusal) {
    if (tpm_code(refusal.rc) == TPM2_RC_PCR_CHANGED)
        return {ErrorKind::tpm_unavailable, "the PCRs keep changing while the vault is opened; try again later"};
    if (!is_verdict(refusal.rc)) return esys_error(refusal.rc, "cannot open the sealed object");
    const Result<TpmReference> root = present_reference(esys, handle_of(request.root), ReferenceKind::storage_root);
    if (!root && root.error().kind == ErrorKind::tpm_unavailable) return root.error();
    if (!root || root->name != request.root.name)
        return {ErrorKind::wrong_state,
                "this is not the TPM that the object was sealed in, or it has been cleared; use the recovery key, or enrol again"};
    if (refusal.step == Step::session) return esys_error(refusal.rc, "cannot start a session with the TPM");
    // The parent is there: a handle that the TPM does not know is that of a session which it has lost.
    if (refusal.step == Step::load && tpm_code(refusal.rc) == TPM2_RC_HANDLE) return esys_error(refusal.rc, "the TPM has lost a session");
    if (refusal.step == Step::load)
        return {ErrorKind::corrupt, "the sealed object does not load under the storage root key; restore the vault record"};

    const std::uint32_t handle = handle_of(request.index);
    const Result<TpmReference> index = present_reference(esys, handle, ReferenceKind::nv_index);
    if (!index && index.error().kind == ErrorKind::tpm_unavailable) return index.error();
    if (!index || index->name != request.index.name)
        return {ErrorKind::wrong_state,
                std::format("the NV index {:#x} is {}", handle, index ? "not the one that the object was sealed to" : "gone")};
    if (tpm_code(refusal.rc) == TPM2_RC_BAD_AUTH || tpm_code(refusal.rc) == TPM2_RC_AUTH_FAIL)
        return esys_error(refusal.rc, "cannot use the NV index");
    return policy_error(esys, request, refusal.rc);
}

/// Whether the object is what seal() makes for this index. The TPM would find out, later and in fewer words.
Result<void> check_object(const TPM2B_PUBLIC& object, const TpmReference& index) {
    const TPMT_PUBLIC& area = object.publicArea;
    constexpr TPMA_OBJECT wanted = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA;
    if (area.type != TPM2_ALG_KEYEDHASH || area.nameAlg != TPM2_ALG_SHA256 || area.objectAttributes != wanted)
        return fail(ErrorKind::corrupt, "the object is not one that Lethe sealed; restore the vault record");
    if (!std::ranges::equal(OctetView(area.authPolicy.buffer, area.authPolicy.size), policy_authorize_nv(index.name)))
        return fail(ErrorKind::policy_mismatch, "the object is sealed to another NV index than {:#x}; restore the vault record",
                    handle_of(index));
    return {};
}

}  // namespace

Result<Secret> esys_unseal(const EsysContext& esys, const TpmReference& root, const TpmReference& index, const SealedObject& object,
                           const PcrPolicy& policy) {
    const PcrPolicy ordered = TRY(evaluation_order(policy));
    const Request request{.root = root,
                          .index = index,
                          .policy = ordered,
                          .public_area = TRY(unmarshal_public(object.public_area)),
                          .private_area = TRY(unmarshal_private(object.private_area)),
                          .root_object = TRY(resolve(esys, root, ReferenceKind::storage_root)),
                          .index_object = TRY(resolve(esys, index, ReferenceKind::nv_index))};
    TRY(check_storage_root(root));
    TRY(check_object(request.public_area, index));
    Attempt<Secret> secret = attempt(esys, request);
    if (secret) return *std::move(secret);
    // In a new context: this one holds the pinned names, and believes them.
    return std::unexpected(explain(TRY(esys.another()), request, secret.error()));
}

}  // namespace lethe
