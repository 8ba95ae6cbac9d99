#include <algorithm>

#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

constexpr TPMA_NV plain_attributes =
    (TPM2_NT_ORDINARY << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA;

std::unexpected<Error> no_index(std::uint32_t handle) {
    return fail(ErrorKind::not_found, "there is no NV index {:#x}; enrol this machine first", handle);
}

/// The value among those that the TPM returned, or `otherwise` when it knows no such property.
std::uint32_t value_of(const TPML_TAGGED_TPM_PROPERTY& properties, TPM2_PT wanted, std::uint32_t otherwise) {
    const std::span all(properties.tpmProperty, std::min<std::size_t>(properties.count, std::size(properties.tpmProperty)));
    const auto found = std::ranges::find(all, wanted, &TPMS_TAGGED_PROPERTY::property);
    return found != all.end() && found->value != 0 ? found->value : otherwise;
}

}  // namespace

Result<TpmReference> esys_nv_index(const EsysContext& esys, std::uint32_t handle) {
    TRY(check_index_handle(handle));
    return present_reference(esys, handle, ReferenceKind::nv_index);
}

Result<NvArea> esys_nv_area(const EsysContext& esys, std::uint32_t handle) {
    const ESYS_TR index = TRY(unnamed_index(esys, handle));
    TPM2B_NV_PUBLIC* found = nullptr;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_NV_ReadPublic(context, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &found, nullptr);
    });
    if (tpm_code(rc) == TPM2_RC_HANDLE) return no_index(handle);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, std::format("cannot look at the NV index {:#x}", handle)));
    const EsysBuffer<TPM2B_NV_PUBLIC> owner(found);
    const TPMS_NV_PUBLIC& area = found->nvPublic;
    return NvArea{area.dataSize, (area.attributes & ~TPMA_NV_WRITTEN) == plain_attributes && area.authPolicy.size == 0,
                  (area.attributes & TPMA_NV_WRITTEN) != 0};
}

Result<NvLimits> esys_nv_limits(const EsysContext& esys) {
    TPMS_CAPABILITY_DATA* data = nullptr;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_GetCapability(context, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_INDEX_MAX,
                                  TPM2_PT_NV_BUFFER_MAX - TPM2_PT_NV_INDEX_MAX + 1, nullptr, &data);
    });
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot read the TPM's properties"));
    const EsysBuffer<TPMS_CAPABILITY_DATA> owner(data);
    const TPML_TAGGED_TPM_PROPERTY& properties = data->data.tpmProperties;
    const std::uint32_t write = value_of(properties, TPM2_PT_NV_BUFFER_MAX, always_fitting_octets);
    const std::uint32_t index = value_of(properties, TPM2_PT_NV_INDEX_MAX, write);
    return NvLimits{static_cast<std::uint16_t>(std::min<std::uint32_t>(index, UINT16_MAX)),
                    static_cast<std::uint16_t>(std::min<std::uint32_t>(write, TPM2_MAX_NV_BUFFER_SIZE))};
}

Result<void> esys_nv_define(const EsysContext& esys, std::uint32_t handle, std::uint16_t octets) {
    TRY(check_index_handle(handle));
    if (octets == 0) return fail(ErrorKind::invalid_argument, "an NV index has at least one octet");
    TPM2B_NV_PUBLIC area{};
    area.nvPublic = {.nvIndex = handle, .nameAlg = TPM2_ALG_SHA256, .attributes = plain_attributes, .authPolicy = {}, .dataSize = octets};
    const TPM2B_AUTH no_password{};
    ESYS_TR index = ESYS_TR_NONE;
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_NV_DefineSpace(context, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_password, &area, &index);
    });
    switch (tpm_code(rc)) {
        case TSS2_RC_SUCCESS:
            return {};
        case TPM2_RC_NV_DEFINED:
            return fail(ErrorKind::already_exists, "there is an NV index {:#x} already", handle);
        case TPM2_RC_SIZE:
        case TPM2_RC_NV_SIZE:
            return fail(ErrorKind::invalid_argument, "the TPM has no NV index as large as {} octets", octets);
        case TPM2_RC_NV_SPACE:
            return fail(ErrorKind::wrong_state,
                        "the TPM has no room for an NV index of {} octets; remove indices that nothing needs: tpm2_getcap handles-nv-index "
                        "lists them, tpm2_nvundefine removes one",
                        octets);
        default:
            return std::unexpected(esys_error(rc, std::format("cannot define the NV index {:#x}", handle)));
    }
}

Result<void> esys_nv_undefine(const EsysContext& esys, std::uint32_t handle) {
    const ESYS_TR index = TRY(unnamed_index(esys, handle));
    const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
        return Esys_NV_UndefineSpace(context, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);
    });
    if (tpm_code(rc) == TPM2_RC_HANDLE) return no_index(handle);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, std::format("cannot remove the NV index {:#x}", handle)));
    return {};
}

}  // namespace lethe
