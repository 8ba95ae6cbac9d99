#include "tpm/esys_errors.hpp"

#include <tss2/tss2_rc.h>

namespace lethe {

TSS2_RC tpm_code(TSS2_RC rc) {
    const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
    if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) return TSS2_BASE_RC_GENERAL_FAILURE;
    const TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;
    // TPM 2.0 Part 2, 6.6.1: format one keeps 6 bits of error; the rest says which parameter, handle or session.
    return (code & TPM2_RC_FMT1) != 0 ? code & (TPM2_RC_FMT1 | 0x3F) : code;
}

bool is_verdict(TSS2_RC rc) {
    const TSS2_RC code = tpm_code(rc);
    if (code == TSS2_BASE_RC_GENERAL_FAILURE || code == TPM2_RC_INITIALIZE || code == TPM2_RC_FAILURE) return false;
    return (code & TPM2_RC_FMT1) != 0 || (code & TPM2_RC_WARN) != TPM2_RC_WARN;
}

Error esys_error(TSS2_RC rc, std::string_view doing) {
    const char* text = Tss2_RC_Decode(rc);
    switch (tpm_code(rc)) {
        case TPM2_RC_LOCKOUT:
            return {
                ErrorKind::tpm_locked_out,
                std::format("{}: the TPM is in dictionary-attack lockout; wait until it ends, or run tpm2_dictionarylockout -c", doing)};
        case TPM2_RC_INITIALIZE:
            return {ErrorKind::tpm_unavailable, std::format("{}: the TPM has not been started up; restart the machine", doing)};
        case TPM2_RC_FAILURE:
            return {ErrorKind::tpm_unavailable, std::format("{}: the TPM is in failure mode; switch the machine off and on", doing)};
        case TPM2_RC_OBJECT_MEMORY:
        case TPM2_RC_SESSION_MEMORY:
        case TPM2_RC_MEMORY:
        case TPM2_RC_OBJECT_HANDLES:
        case TPM2_RC_SESSION_HANDLES:
            return {ErrorKind::tpm_unavailable,
                    std::format("{}: the TPM has no room left ({}); stop what else uses it, or restart the machine", doing, text)};
        case TPM2_RC_RETRY:
        case TPM2_RC_YIELDED:
        case TPM2_RC_TESTING:
            return {ErrorKind::tpm_unavailable, std::format("{}: the TPM stays busy ({}); try again later", doing, text)};
        case TPM2_RC_NV_RATE:
            return {ErrorKind::tpm_unavailable, std::format("{}: the TPM slows writes down to spare its memory; try again later", doing)};
        case TPM2_RC_NV_SPACE:
            return {ErrorKind::wrong_state,
                    std::format("{}: the TPM's NV memory is full; remove what nothing needs: tpm2_getcap handles-nv-index and "
                                "handles-persistent list it, tpm2_nvundefine and tpm2_evictcontrol remove it",
                                doing)};
        case TPM2_RC_BAD_AUTH:
        case TPM2_RC_AUTH_FAIL:
            return {ErrorKind::wrong_state,
                    std::format("{}: the TPM's owner hierarchy has a password; clear it with tpm2_changeauth -c owner -p PASSWORD", doing)};
        case TPM2_RC_NV_AUTHORIZATION:
            return {ErrorKind::wrong_state,
                    std::format("{}: the NV index does not admit the owner; it is not one that Lethe or systemd-pcrlock has made", doing)};
        default:
            return {ErrorKind::tpm_unavailable, std::format("{}: {} ({:#x}); look at the kernel's messages about tpm", doing, text, rc)};
    }
}

}  // namespace lethe
