#include <algorithm>

#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

constexpr std::uint16_t always_readable_octets = 512;  // no PC Client TPM has a smaller TPM_PT_NV_BUFFER_MAX: no need to ask

Result<void> check_handle(std::uint32_t handle) {
    if (handle >> TPM2_HR_SHIFT == TPM2_HT_NV_INDEX) return {};
    return fail(ErrorKind::invalid_argument, "{:#x} is not the handle of an NV index", handle);
}

Result<ESYS_TR> index_at(const EsysContext& esys, std::uint32_t handle) {
    TRY(check_handle(handle));
    ESYS_TR index = ESYS_TR_NONE;
    const TSS2_RC rc = esys(
        [&](ESYS_CONTEXT* context) { return Esys_TR_FromTPMPublic(context, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index); });
    if (tpm_code(rc) == TPM2_RC_HANDLE) return fail(ErrorKind::not_found, "there is no NV index {:#x}; enrol this machine first", handle);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, std::format("cannot look at the NV index {:#x}", handle)));
    return index;
}

Result<std::uint16_t> most_octets_a_read(const EsysContext& esys) {
    TPMS_CAPABILITY_DATA* data = nullptr;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_GetCapability(context, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_BUFFER_MAX, 1,
                                  nullptr, &data);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot read the TPM's properties"));
    const EsysBuffer<TPMS_CAPABILITY_DATA> owner(data);
    const TPML_TAGGED_TPM_PROPERTY& properties = data->data.tpmProperties;
    if (properties.count == 0 || properties.tpmProperty[0].property != TPM2_PT_NV_BUFFER_MAX || properties.tpmProperty[0].value == 0)
        return always_readable_octets;
    return std::min<std::uint32_t>(properties.tpmProperty[0].value, TPM2_MAX_NV_BUFFER_SIZE);
}

}  // namespace

Result<TpmReference> esys_nv_index(const EsysContext& esys, std::uint32_t handle) {
    TRY(check_handle(handle));
    return present_reference(esys, handle, ReferenceKind::nv_index);
}

Result<Octets> esys_nv_read(const EsysContext& esys, std::uint32_t handle) {
    const ESYS_TR index = TRY(index_at(esys, handle));
    const std::string doing = std::format("cannot read the NV index {:#x}", handle);
    TPM2B_NV_PUBLIC* area = nullptr;
    TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_NV_ReadPublic(context, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, nullptr);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, doing));
    const EsysBuffer<TPM2B_NV_PUBLIC> area_owner(area);
    if ((area->nvPublic.attributes & TPMA_NV_WRITTEN) == 0)
        return fail(ErrorKind::wrong_state, "the NV index {:#x} has never been written; enrol this machine again", handle);

    const std::uint16_t size = area->nvPublic.dataSize;
    const std::uint16_t chunk = size <= always_readable_octets ? always_readable_octets : TRY(most_octets_a_read(esys));
    Octets content;
    while (content.size() < size) {
        const std::uint16_t offset = content.size();
        const std::uint16_t count = std::min<std::uint16_t>(chunk, size - offset);
        TPM2B_MAX_NV_BUFFER* data = nullptr;
        rc = esys([&](ESYS_CONTEXT* context) {
            return Esys_NV_Read(context, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, count, offset, &data);
        });
        if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, doing));
        const EsysBuffer<TPM2B_MAX_NV_BUFFER> data_owner(data);
        if (data->size != count) return fail(ErrorKind::tpm_unavailable, "{}: the TPM returns fewer octets than it has", doing);
        content.insert(content.end(), data->buffer, data->buffer + data->size);
    }
    return content;
}

Result<void> esys_nv_undefine(const EsysContext& esys, std::uint32_t handle) {
    const ESYS_TR index = TRY(index_at(esys, handle));
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_NV_UndefineSpace(context, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, std::format("cannot remove the NV index {:#x}", handle)));
    return {};
}

}  // namespace lethe
