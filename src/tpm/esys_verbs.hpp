#pragma once

#include "tpm/esys_context.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

// The verbs of Tpm, documented there. Each is given a context of its own.

Result<PcrValues> esys_read_pcrs(const EsysContext& esys, std::span<const unsigned> pcrs);
Result<TpmReference> esys_storage_root(const EsysContext& esys);
Result<TpmReference> esys_nv_index(const EsysContext& esys, std::uint32_t handle);
Result<Octets> esys_nv_read(const EsysContext& esys, std::uint32_t handle);
Result<void> esys_nv_undefine(const EsysContext& esys, std::uint32_t handle);
Result<SealedObject> esys_seal(const EsysContext& esys, const TpmReference& root, const Secret& secret, const Digest& policy);
Result<Secret> esys_unseal(const EsysContext& esys, const TpmReference& root, const TpmReference& index, const SealedObject& object,
                           const PcrPolicy& policy);

}  // namespace lethe
