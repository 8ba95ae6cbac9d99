#include <algorithm>
#include <new>

#include "tpm/esys_convert.hpp"
#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_session.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

constexpr std::size_t most_sealed_octets = 128;  // MAX_SYM_DATA, TPM 2.0 Part 2, 11.1.14

// TCG EK Credential Profile, template L-2, with the attributes of the TCG Provisioning Guidance, 7.5.1: what systemd's
// tpm2_get_srk_template makes, so that whoever comes first creates the same key. The unique field is empty, as it is there.
TPM2B_PUBLIC storage_root_template() {
    TPM2B_PUBLIC made{};
    TPMT_PUBLIC& area = made.publicArea;
    area.type = TPM2_ALG_ECC;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_NODA |
                            TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH;
    TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
    ecc.symmetric.algorithm = TPM2_ALG_AES;
    ecc.symmetric.keyBits.aes = 128;
    ecc.symmetric.mode.aes = TPM2_ALG_CFB;
    ecc.scheme.scheme = TPM2_ALG_NULL;
    ecc.curveID = TPM2_ECC_NIST_P256;
    ecc.kdf.scheme = TPM2_ALG_NULL;
    return made;
}

// No USERWITHAUTH: the policy is the only way in. NODA: a failed boot must not drive the TPM into lockout.
TPM2B_PUBLIC sealed_template(const Digest& policy) {
    TPM2B_PUBLIC made{};
    TPMT_PUBLIC& area = made.publicArea;
    area.type = TPM2_ALG_KEYEDHASH;
    area.nameAlg = TPM2_ALG_SHA256;
    area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA;
    area.authPolicy = to_tpm2b(policy);
    area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
    return made;
}

Result<void> create_storage_root(const EsysContext& esys) {
    const TPM2B_PUBLIC wanted = storage_root_template();
    const TPM2B_SENSITIVE_CREATE no_secret{};
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR primary = ESYS_TR_NONE;
    TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_CreatePrimary(context, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret, &wanted, &no_data,
                                  &no_pcrs, &primary, nullptr, nullptr, nullptr, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot create the storage root key"));
    const EsysHandle owner(esys, primary);
    ESYS_TR persistent = ESYS_TR_NONE;
    rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_EvictControl(context, ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, storage_root_handle,
                                 &persistent);
    });
    // NV_DEFINED: another process has been faster, with the same key.
    if (rc != TSS2_RC_SUCCESS && tpm_code(rc) != TPM2_RC_NV_DEFINED)
        return std::unexpected(esys_error(rc, "cannot keep the storage root key in the TPM"));
    return {};
}

/// Wipes what ESAPI remembers of a TPM2_Create, in case it has to repeat it: the secret too. Handing it another one for a parent that does
/// not exist sends nothing.
void forget_create(const EsysContext& esys, const TPM2B_PUBLIC& area) {
    constexpr ESYS_TR no_such_object = 0xFFFFFFFF;
    const TPM2B_SENSITIVE_CREATE zeros{};
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    Esys_Create_Async(esys.get(), no_such_object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &zeros, &area, &no_data, &no_pcrs);
    esys.scrub();
}

Error seal_error(const EsysContext& esys, const TpmReference& root, TSS2_RC rc) {
    if (is_verdict(rc)) {
        const Result<EsysContext> fresh = esys.another();  // this one holds the pinned name, and believes it
        if (!fresh) return fresh.error();
        const Result<TpmReference> present = present_reference(*fresh, handle_of(root), ReferenceKind::storage_root);
        if (!present && present.error().kind == ErrorKind::tpm_unavailable) return present.error();
        if (!present || present->name != root.name)
            return {ErrorKind::wrong_state, "the TPM's storage root key is another one than at enrolment: another TPM, or a cleared one"};
    }
    return esys_error(rc, "cannot seal the secret");
}

}  // namespace

Result<TpmReference> esys_storage_root(const EsysContext& esys) {
    Result<TpmReference> root = present_reference(esys, storage_root_handle, ReferenceKind::storage_root);
    if (!root && root.error().kind == ErrorKind::not_found) {
        TRY(create_storage_root(esys));
        root = present_reference(esys, storage_root_handle, ReferenceKind::storage_root);
    }
    if (root) TRY(check_storage_root(*root));
    return root;
}

Result<SealedObject> esys_seal(const EsysContext& esys, const TpmReference& root, const Secret& secret, const Digest& policy) {
    if (secret.empty() || secret.size() > most_sealed_octets)
        return fail(ErrorKind::invalid_argument, "a TPM seals 1 to {} octets, not {}", most_sealed_octets, secret.size());
    const ESYS_TR parent = TRY(resolve(esys, root, ReferenceKind::storage_root));
    TRY(check_storage_root(root));
    auto session = start_session(esys, parent, TPM2_SE_HMAC);
    if (!session) return std::unexpected(seal_error(esys, root, session.error()));
    // DECRYPT: the TPM decrypts the command's first parameter. No CONTINUESESSION: the session ends with the command.
    if (const TSS2_RC rc = set_attributes(esys, *session, TPMA_SESSION_DECRYPT); rc != TSS2_RC_SUCCESS)
        return std::unexpected(esys_error(rc, "cannot seal the secret"));

    Secret memory(sizeof(TPM2B_SENSITIVE_CREATE));  // in locked memory, and wiped
    auto* const sensitive = new (memory.expose_mutable().data()) TPM2B_SENSITIVE_CREATE{};
    sensitive->sensitive.data.size = secret.size();
    std::ranges::copy(secret.expose(), sensitive->sensitive.data.buffer);
    const TPM2B_PUBLIC wanted = sealed_template(policy);
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    TPM2B_PRIVATE* private_area = nullptr;
    TPM2B_PUBLIC* public_area = nullptr;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_Create(context, parent, session->get(), ESYS_TR_NONE, ESYS_TR_NONE, sensitive, &wanted, &no_data, &no_pcrs,
                           &private_area, &public_area, nullptr, nullptr, nullptr);
    });
    forget_create(esys, wanted);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(seal_error(esys, root, rc));
    session->release();
    const EsysBuffer<TPM2B_PRIVATE> private_owner(private_area);
    const EsysBuffer<TPM2B_PUBLIC> public_owner(public_area);
    return SealedObject{marshal(*public_area), marshal(*private_area)};
}

}  // namespace lethe
