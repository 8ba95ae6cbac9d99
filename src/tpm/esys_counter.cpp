#include "tpm/esys_counter.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <optional>

#include "tpm/esys_errors.hpp"
#include "tpm/esys_reference.hpp"
#include "tpm/esys_session.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

/// Whether the TPM no longer knows the session, or the index: after a reset, or because somebody has flushed it.
bool is_lost(TSS2_RC rc) {
    const TSS2_RC code = tpm_code(rc);
    return code == TPM2_RC_HANDLE || (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6);
}

/// Whether the TPM says that the index does not know the authorisation, or that the name is not its own.
bool is_refusal(TSS2_RC rc) {
    return std::ranges::contains(std::array<TSS2_RC, 7>{TPM2_RC_BAD_AUTH, TPM2_RC_AUTH_FAIL, TPM2_RC_AUTH_UNAVAILABLE, TPM2_RC_AUTH_TYPE,
                                                        TPM2_RC_ATTRIBUTES, TPM2_RC_NV_AUTHORIZATION, TPM2_RC_NV_UNINITIALIZED},
                                 tpm_code(rc));
}

std::unexpected<Error> no_counter(std::uint32_t handle) {
    return fail(ErrorKind::not_found, "there is no rollback counter (NV index {:#x}) in the TPM", handle);
}

std::unexpected<Error> redefined(std::uint32_t handle) {
    return fail(ErrorKind::wrong_state,
                "the rollback counter was redefined: the NV index {:#x} is not the one that Lethe made; find out who did that, then run "
                "`lethectl state reset`",
                handle);
}

class EsysCounter final : public NvCounter {
public:
    EsysCounter(TSS2_TCTI_CONTEXT* tcti, std::uint32_t handle, const Secret& authorisation)
        : tcti_(tcti), handle_(handle), authorisation_(Secret::copy_of(authorisation.expose())) {}

    /// Makes the session, and lets the TPM prove that the index knows the authorisation.
    Result<void> open() {
        if (!TRY(connect())) return increment();  // defined and cut before it was incremented: nobody has relied on it yet
        TRY(read());
        return {};
    }

    Result<std::uint64_t> read() override {
        TPM2B_MAX_NV_BUFFER* data = nullptr;
        TRY(run("read", [&](ESYS_CONTEXT* context, ESYS_TR index, ESYS_TR session) {
            return Esys_NV_Read(context, index, index, session, ESYS_TR_NONE, ESYS_TR_NONE, sizeof(std::uint64_t), 0, &data);
        }));
        const EsysBuffer<TPM2B_MAX_NV_BUFFER> owner(data);
        return OctetReader({data->buffer, data->size}).u64();
    }

    Result<void> increment() override {
        return run("increment", [](ESYS_CONTEXT* context, ESYS_TR index, ESYS_TR session) {
            return Esys_NV_Increment(context, index, index, session, ESYS_TR_NONE, ESYS_TR_NONE);
        });
    }

private:
    struct Link {
        EsysContext esys;
        ESYS_TR index;
        EsysHandle session;  ///< ends before its context
    };

    /// What is at the handle, when it is one of ours by all but its authorisation. Whether it was ever incremented.
    Result<bool> check_index(const EsysContext& esys, TpmReference& index) const {
        auto found = present_reference(esys, handle_, ReferenceKind::nv_index);
        if (!found && found.error().kind == ErrorKind::not_found) return no_counter(handle_);
        if (!found) return std::unexpected(found.error());
        index = *std::move(found);
        if (index.name == counter_name(handle_, true)) return true;
        if (index.name == counter_name(handle_, false)) return false;
        return redefined(handle_);
    }

    /// The session that the counter is used in; says whether it was ever incremented.
    Result<bool> connect() {
        EsysContext esys = TRY(EsysContext::open(tcti_));
        TpmReference index;
        const bool written = TRY(check_index(esys, index));
        const TpmReference root = TRY(esys_storage_root(esys));
        const ESYS_TR salt_key = TRY(resolve(esys, root, ReferenceKind::storage_root));
        const ESYS_TR object = TRY(resolve(esys, index, ReferenceKind::nv_index));
        auto session = start_session(esys, salt_key, TPM2_SE_HMAC);
        if (!session) return std::unexpected(esys_error(session.error(), "cannot start a session with the TPM"));
        TSS2_RC rc = set_attributes(esys, *session, TPMA_SESSION_CONTINUESESSION);
        if (rc == TSS2_RC_SUCCESS) rc = set_authorisation(esys, object);
        if (rc != TSS2_RC_SUCCESS) return std::unexpected(esys_error(rc, "cannot use the rollback counter"));
        link_.emplace(std::move(esys), object, *std::move(session));
        return written;
    }

    TSS2_RC set_authorisation(const EsysContext& esys, ESYS_TR index) const {
        TPM2B_AUTH auth{};
        auth.size = authorisation_.size();
        std::ranges::copy(authorisation_.expose(), auth.buffer);
        const TSS2_RC rc = Esys_TR_SetAuth(esys.get(), index, &auth);
        OPENSSL_cleanse(&auth, sizeof auth);
        return rc;
    }

    /// Runs a command, and once more when the TPM has lost the session, which says that it has not run. After any failure the next one
    /// begins with a session of its own.
    template <class Command>
    Result<void> run(std::string_view verb, Command command) {
        for (bool again = false;; again = true) {
            if (!link_) TRY(connect());
            const TSS2_RC rc = link_->esys([&](ESYS_CONTEXT* context) { return command(context, link_->index, link_->session.get()); });
            if (rc == TSS2_RC_SUCCESS) return {};
            link_.reset();
            if (is_refusal(rc)) return redefined(handle_);
            if (!is_lost(rc) || again) return std::unexpected(esys_error(rc, std::format("cannot {} the rollback counter", verb)));
        }
    }

    TSS2_TCTI_CONTEXT* tcti_;
    std::uint32_t handle_;
    Secret authorisation_;
    std::optional<Link> link_;
};

}  // namespace

Result<std::unique_ptr<NvCounter>> esys_counter_open(TSS2_TCTI_CONTEXT* tcti, std::uint32_t handle, const Secret& authorisation) {
    TRY(check_index_handle(handle));
    TRY(check_authorisation(authorisation));
    auto counter = std::make_unique<EsysCounter>(tcti, handle, authorisation);
    TRY(counter->open());
    return counter;
}

}  // namespace lethe
