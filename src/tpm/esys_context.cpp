#include "tpm/esys_context.hpp"

#include <tss2/tss2_sys.h>

#include <chrono>
#include <thread>

#include "tpm/esys_crypto.hpp"
#include "tpm/esys_errors.hpp"

namespace lethe {

Result<EsysContext> EsysContext::open(TSS2_TCTI_CONTEXT* tcti) {
    ESYS_CONTEXT* context = nullptr;
    TSS2_RC rc = Esys_Initialize(&context, tcti, nullptr);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot start to talk to the TPM"));
    EsysContext opened(context);
    auto cryptography = esys_cryptography();
    rc = Esys_SetCryptoCallbacks(context, &cryptography);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot start to talk to the TPM"));
    return opened;
}

Result<EsysContext> EsysContext::another() const {
    TSS2_TCTI_CONTEXT* tcti = nullptr;
    const TSS2_RC rc = Esys_GetTcti(get(), &tcti);
    if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot start to talk to the TPM"));
    return open(tcti);
}

bool EsysContext::is_busy(TSS2_RC rc) {
    const TSS2_RC code = tpm_code(rc);
    return code == TPM2_RC_RETRY || code == TPM2_RC_YIELDED || code == TPM2_RC_TESTING || code == TPM2_RC_NV_RATE;
}

void EsysContext::pause() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

void EsysContext::scrub() const {
    TSS2_SYS_CONTEXT* sys = nullptr;
    if (Esys_GetSysContext(get(), &sys) != TSS2_RC_SUCCESS) return;
    // Lays a command out and never sends it: the largest parameter of all is longer than what can be sealed.
    TPM2B_SENSITIVE_DATA zeros{};
    zeros.size = sizeof zeros.buffer;
    Tss2_Sys_StirRandom_Prepare(sys, &zeros);
}

EsysHandle::EsysHandle(const EsysContext& context, ESYS_TR handle) : context_(context.get()), handle_(handle) {
    Esys_TR_GetTpmHandle(context_, handle_, &tpm_handle_);
}

EsysHandle::~EsysHandle() {
    if (context_ == nullptr) return;
    const TSS2_RC rc = Esys_FlushContext(context_, handle_);
    if (rc == TSS2_RC_SUCCESS || tpm_code(rc) != TSS2_BASE_RC_GENERAL_FAILURE) return;
    // ESAPI does nothing more after, say, a response that did not authenticate; the layer below still can.
    TSS2_SYS_CONTEXT* sys = nullptr;
    if (Esys_GetSysContext(context_, &sys) == TSS2_RC_SUCCESS) Tss2_Sys_FlushContext(sys, tpm_handle_);
}

}  // namespace lethe
