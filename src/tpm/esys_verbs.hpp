#pragma once

#include "tpm/esys_context.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

// The verbs of Tpm, documented there. Each is given a context of its own.

/// No PC Client TPM has a smaller TPM_PT_NV_BUFFER_MAX: for this many octets there is no need to ask.
constexpr std::uint16_t always_fitting_octets = 512;

Result<PcrValues> esys_read_pcrs(const EsysContext& esys, std::span<const unsigned> pcrs);
Result<TpmReference> esys_storage_root(const EsysContext& esys);
Result<TpmReference> esys_nv_index(const EsysContext& esys, std::uint32_t handle);
Result<NvArea> esys_nv_area(const EsysContext& esys, std::uint32_t handle);
Result<NvLimits> esys_nv_limits(const EsysContext& esys);
Result<void> esys_nv_define(const EsysContext& esys, std::uint32_t handle, std::uint16_t octets);
Result<void> esys_nv_undefine(const EsysContext& esys, std::uint32_t handle);
/// @param most  octets in a command: NvLimits::write_octets, or always_fitting_octets.
Result<void> esys_nv_write(const EsysContext& esys, std::uint32_t handle, std::uint16_t offset, OctetView octets, std::uint16_t most);
Result<Octets> esys_nv_read(const EsysContext& esys, std::uint32_t handle);
Result<Octets> esys_nv_read(const EsysContext& esys, std::uint32_t handle, std::uint16_t offset, std::uint16_t count, std::uint16_t most);
Result<SealedObject> esys_seal(const EsysContext& esys, const TpmReference& root, const Secret& secret, const Digest& policy);
Result<Secret> esys_unseal(const EsysContext& esys, const TpmReference& root, const TpmReference& index, const SealedObject& object,
                           const PcrPolicy& policy);
Result<void> esys_counter_define(const EsysContext& esys, std::uint32_t handle, const Secret& authorisation);
/// @param tcti  outlives the counter, which opens contexts of its own on it.
Result<std::unique_ptr<NvCounter>> esys_counter_open(TSS2_TCTI_CONTEXT* tcti, std::uint32_t handle, const Secret& authorisation);

}  // namespace lethe
