#include <algorithm>
#include <new>

#include "tpm/esys_counter.hpp"
#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_session.hpp"
#include "tpm/esys_verbs.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

// An ordinary one, not ORDERLY: the TPM keeps what it has answered, whenever power goes.
constexpr TPMA_NV counter_attributes = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHWRITE | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA;
constexpr std::uint16_t counter_octets = 8;

/// Wipes what ESAPI remembers of a TPM2_NV_DefineSpace, in case it has to repeat it: the authorisation too. Handing it another one for a
/// hierarchy that does not exist sends nothing.
void forget_define(const EsysContext& esys, const TPM2B_NV_PUBLIC& area) {
    constexpr ESYS_TR no_such_object = 0xFFFFFFFF;
    const TPM2B_AUTH zeros{};
    Esys_NV_DefineSpace_Async(esys.get(), no_such_object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &zeros, &area);
    esys.scrub();
}

Error define_error(TSS2_RC rc, std::uint32_t handle) {
    if (tpm_code(rc) == TPM2_RC_NV_DEFINED) return {ErrorKind::already_exists, std::format("there is an NV index {:#x} already", handle)};
    return esys_error(rc, std::format("cannot define the counter {:#x}", handle));
}

Result<ESYS_TR> define(const EsysContext& esys, const EsysHandle& session, std::uint32_t handle, const Secret& authorisation) {
    // DECRYPT: the TPM decrypts the authorisation. The session goes on: it increments too.
    if (const TSS2_RC rc = set_attributes(esys, session, TPMA_SESSION_DECRYPT | TPMA_SESSION_CONTINUESESSION); rc != TSS2_RC_SUCCESS)
        return std::unexpected(define_error(rc, handle));
    Secret memory(sizeof(TPM2B_AUTH));
    auto* const auth = new (memory.expose_mutable().data()) TPM2B_AUTH{};
    auth->size = authorisation.size();
    std::ranges::copy(authorisation.expose(), auth->buffer);
    const TPM2B_NV_PUBLIC area = counter_area(handle);
    ESYS_TR index = ESYS_TR_NONE;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_NV_DefineSpace(context, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, session.get(), ESYS_TR_NONE, auth, &area, &index);
    });
    forget_define(esys, area);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(define_error(rc, handle));
    return index;
}

Result<void> increment_once(const EsysContext& esys, EsysHandle& session, std::uint32_t handle, ESYS_TR index) {
    TSS2_RC rc = set_attributes(esys, session, 0);
    if (rc == TSS2_RC_SUCCESS)
        rc = esys(
            [&](ESYS_CONTEXT* context) { return Esys_NV_Increment(context, index, index, session.get(), ESYS_TR_NONE, ESYS_TR_NONE); });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, std::format("cannot increment the counter {:#x}", handle)));
    session.release();
    return {};
}

}  // namespace

TPM2B_NV_PUBLIC counter_area(std::uint32_t handle) {
    TPM2B_NV_PUBLIC area{};
    area.nvPublic = {
        .nvIndex = handle, .nameAlg = TPM2_ALG_SHA256, .attributes = counter_attributes, .authPolicy = {}, .dataSize = counter_octets};
    return area;
}

// nameAlg and the digest of the TPMS_NV_PUBLIC (TPM 2.0 Part 1, 16; Part 2, 13.6).
Octets counter_name(std::uint32_t handle, bool written) {
    const TPMS_NV_PUBLIC area = counter_area(handle).nvPublic;
    const TPMA_NV attributes = area.attributes | (written ? TPMA_NV_WRITTEN : 0);
    return authorized_policy_content(
        sha256(OctetWriter().u32(area.nvIndex).u16(area.nameAlg).u32(attributes).sized16({}).u16(area.dataSize).octets()));
}

Result<void> check_authorisation(const Secret& authorisation) {
    if (!authorisation.empty() && authorisation.size() <= most_authorisation_octets) return {};
    return fail(ErrorKind::invalid_argument, "a counter's authorisation has 1 to {} octets, not {}", most_authorisation_octets,
                authorisation.size());
}

Result<void> esys_counter_define(const EsysContext& esys, std::uint32_t handle, const Secret& authorisation) {
    TRY(check_index_handle(handle));
    TRY(check_authorisation(authorisation));
    const TpmReference root = TRY(esys_storage_root(esys));
    auto session = start_session(esys, TRY(resolve(esys, root, ReferenceKind::storage_root)), TPM2_SE_HMAC);
    if (!session) return std::unexpected(esys_error(session.error(), "cannot start a session with the TPM"));
    const ESYS_TR index = TRY(define(esys, *session, handle, authorisation));
    auto done = increment_once(esys, *session, handle, index);
    // In a new context: this one may be what failed. Where that fails too, counter_open() takes the counter as it is.
    if (!done) (void)esys.another().and_then([&](const EsysContext& fresh) { return esys_nv_undefine(fresh, handle); });
    return done;
}

}  // namespace lethe
