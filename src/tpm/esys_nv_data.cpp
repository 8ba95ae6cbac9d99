#include <algorithm>

#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

Error nv_error(TSS2_RC rc, std::uint32_t handle, std::string_view doing) {
    switch (tpm_code(rc)) {
        case TPM2_RC_HANDLE:
            return {ErrorKind::not_found, std::format("there is no NV index {:#x}; enrol this machine first", handle)};
        case TPM2_RC_NV_UNINITIALIZED:
            return {ErrorKind::wrong_state, std::format("the NV index {:#x} has never been written; enrol this machine again", handle)};
        case TPM2_RC_NV_RANGE:
            return {ErrorKind::invalid_argument, std::format("the NV index {:#x} is smaller than what is asked of it", handle)};
        case TPM2_RC_NV_LOCKED:
            return {ErrorKind::wrong_state, std::format("the NV index {:#x} is locked; restart the machine", handle)};
        default:
            return esys_error(rc, std::format("cannot {} the NV index {:#x}", doing, handle));
    }
}

Result<void> check_part(std::uint32_t handle, std::uint16_t offset, std::size_t count) {
    if (count != 0 && offset + count <= UINT16_MAX) return {};
    return fail(ErrorKind::invalid_argument, "{} octets from {} are no part of the NV index {:#x}", count, offset, handle);
}

}  // namespace

Result<void> esys_nv_write(const EsysContext& esys, std::uint32_t handle, std::uint16_t offset, OctetView octets, std::uint16_t most) {
    TRY(check_part(handle, offset, octets.size()));
    const ESYS_TR index = TRY(unnamed_index(esys, handle));
    // From the end: what does not fit the index is refused before anything is written.
    while (!octets.empty()) {
        const std::size_t first = (octets.size() - 1) / most * most;
        TPM2B_MAX_NV_BUFFER data{};
        data.size = octets.size() - first;
        std::ranges::copy(octets.subspan(first), data.buffer);
        const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
            return Esys_NV_Write(context, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, offset + first);
        });
        if (rc != TSS2_RC_SUCCESS) return std::unexpected(nv_error(rc, handle, "write"));
        octets = octets.first(first);
    }
    return {};
}

Result<Octets> esys_nv_read(const EsysContext& esys, std::uint32_t handle) {
    const NvArea area = TRY(esys_nv_area(esys, handle));
    if (!area.written) return std::unexpected(nv_error(TPM2_RC_NV_UNINITIALIZED, handle, "read"));
    const std::uint16_t most = area.octets <= always_fitting_octets ? always_fitting_octets : TRY(esys_nv_limits(esys)).write_octets;
    return esys_nv_read(esys, handle, 0, area.octets, most);
}

Result<Octets> esys_nv_read(const EsysContext& esys, std::uint32_t handle, std::uint16_t offset, std::uint16_t count, std::uint16_t most) {
    TRY(check_part(handle, offset, count));
    const ESYS_TR index = TRY(unnamed_index(esys, handle));
    Octets content;
    while (content.size() < count) {
        const std::uint16_t wanted = std::min<std::size_t>(most, count - content.size());
        TPM2B_MAX_NV_BUFFER* data = nullptr;
        const TSS2_RC rc = esys([&](ESYS_CONTEXT* context) {
            return Esys_NV_Read(context, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, wanted,
                                offset + content.size(), &data);
        });
        if (rc != TSS2_RC_SUCCESS) return std::unexpected(nv_error(rc, handle, "read"));
        const EsysBuffer<TPM2B_MAX_NV_BUFFER> owner(data);
        if (data->size != wanted)
            return fail(ErrorKind::tpm_unavailable, "the TPM returns fewer octets of the NV index {:#x} than it has", handle);
        content.insert(content.end(), data->buffer, data->buffer + data->size);
    }
    return content;
}

}  // namespace lethe
