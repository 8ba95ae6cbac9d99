#pragma once

#include <tss2/tss2_esys.h>

#include <memory>
#include <utility>

#include "base/result.hpp"

namespace lethe {

/// An ESAPI context on a TCTI that outlives it. Each verb takes a fresh one, which costs no TPM command: a failure of the transport makes a
/// context useless for good, and the next verb shall not inherit that.
class EsysContext {
public:
    static Result<EsysContext> open(TSS2_TCTI_CONTEXT* tcti);

    /// A new context on the same TCTI, which knows nothing of this one's objects.
    Result<EsysContext> another() const;

    ESYS_CONTEXT* get() const { return context_.get(); }

    /// Runs an Esys_ function, again and again while the TPM answers that it is busy, about a second at most. ESAPI itself repeats a
    /// command five times, but at once.
    template <class Call>
    TSS2_RC operator()(Call&& call) const {
        TSS2_RC rc = call(get());
        for (unsigned tries = 0; is_busy(rc) && tries < most_tries; ++tries) {
            pause();
            rc = call(get());
        }
        return rc;
    }

    /// Overwrites the buffer through which the last command and its response passed: plaintext of an encrypted parameter stays in it.
    void scrub() const;

private:
    struct Finalize {
        void operator()(ESYS_CONTEXT* context) const { Esys_Finalize(&context); }
    };
    static constexpr unsigned most_tries = 20;
    static bool is_busy(TSS2_RC rc);
    static void pause();

    explicit EsysContext(ESYS_CONTEXT* context) : context_(context) {}
    std::unique_ptr<ESYS_CONTEXT, Finalize> context_;
};

/// Owns one transient object or session in the TPM; flushes it on destruction. Borrows the context, which must outlive it. Never wrap a
/// persistent handle or a PCR.
class EsysHandle {
public:
    EsysHandle() = default;
    EsysHandle(const EsysContext& context, ESYS_TR handle);
    EsysHandle(EsysHandle&& other) noexcept
        : context_(std::exchange(other.context_, nullptr)), handle_(other.handle_), tpm_handle_(other.tpm_handle_) {}
    EsysHandle& operator=(EsysHandle&& other) noexcept {
        std::swap(context_, other.context_);
        std::swap(handle_, other.handle_);
        std::swap(tpm_handle_, other.tpm_handle_);
        return *this;
    }
    ~EsysHandle();

    ESYS_TR get() const { return handle_; }
    /// For a session that the TPM has ended by itself, after a command without continueSession.
    void release() { context_ = nullptr; }

private:
    ESYS_CONTEXT* context_ = nullptr;
    ESYS_TR handle_ = ESYS_TR_NONE;
    TPM2_HANDLE tpm_handle_ = 0;
};

/// What an Esys_ function has allocated.
struct EsysFree {
    void operator()(void* memory) const { Esys_Free(memory); }
};
template <class T>
using EsysBuffer = std::unique_ptr<T, EsysFree>;

}  // namespace lethe
