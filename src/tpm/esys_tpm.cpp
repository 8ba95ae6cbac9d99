#include "tpm/esys_tpm.hpp"

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include <cstdlib>
#include <optional>

#include "base/test_seam.hpp"
#include "tpm/esys_verbs.hpp"

namespace lethe {

namespace {

struct FinalizeTcti {
    void operator()(TSS2_TCTI_CONTEXT* tcti) const { Tss2_TctiLdr_Finalize(&tcti); }
};
using OwnedTcti = std::unique_ptr<TSS2_TCTI_CONTEXT, FinalizeTcti>;

class EsysTpm : public Tpm {
public:
    explicit EsysTpm(TSS2_TCTI_CONTEXT* tcti) : tcti_(tcti) {}
    explicit EsysTpm(OwnedTcti tcti) : owner_(std::move(tcti)), tcti_(owner_.get()) {}

    Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) override { return esys_read_pcrs(TRY(EsysContext::open(tcti_)), pcrs); }
    Result<TpmReference> storage_root() override { return esys_storage_root(TRY(EsysContext::open(tcti_))); }
    Result<TpmReference> nv_index(std::uint32_t handle) override { return esys_nv_index(TRY(EsysContext::open(tcti_)), handle); }
    Result<NvArea> nv_area(std::uint32_t handle) override { return esys_nv_area(TRY(EsysContext::open(tcti_)), handle); }
    Result<NvLimits> nv_limits() override {
        if (!limits_) limits_ = TRY(esys_nv_limits(TRY(EsysContext::open(tcti_))));
        return *limits_;
    }
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override {
        return esys_nv_define(TRY(EsysContext::open(tcti_)), handle, octets);
    }
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override {
        return esys_nv_write(TRY(EsysContext::open(tcti_)), handle, offset, octets, TRY(most_octets_for(octets.size())));
    }
    Result<Octets> nv_read(std::uint32_t handle) override { return esys_nv_read(TRY(EsysContext::open(tcti_)), handle); }
    Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) override {
        return esys_nv_read(TRY(EsysContext::open(tcti_)), handle, offset, count, TRY(most_octets_for(count)));
    }
    Result<void> nv_undefine(std::uint32_t handle) override { return esys_nv_undefine(TRY(EsysContext::open(tcti_)), handle); }
    Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) override {
        return esys_counter_define(TRY(EsysContext::open(tcti_)), handle, authorisation);
    }
    Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) override {
        return esys_counter_open(tcti_, handle, authorisation);
    }
    Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) override {
        return esys_seal(TRY(EsysContext::open(tcti_)), root, secret, policy);
    }
    Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                          const PcrPolicy& policy) override {
        return esys_unseal(TRY(EsysContext::open(tcti_)), root, index, object, policy);
    }

private:
    Result<std::uint16_t> most_octets_for(std::size_t count) {
        if (count <= always_fitting_octets) return always_fitting_octets;
        return TRY(nv_limits()).write_octets;
    }

    OwnedTcti owner_;  ///< empty when the caller owns it
    TSS2_TCTI_CONTEXT* tcti_;
    std::optional<NvLimits> limits_;  ///< asked for once: they are fixed
};

// tpm2-tss writes its errors to stderr otherwise, where the journal would show what is only a question asked.
void silence_tss() { setenv("TSS2_LOG", "all+none", 0); }

}  // namespace

Result<std::unique_ptr<Tpm>> open_esys_tpm(const std::string& tcti) {
    silence_tss();
    TSS2_TCTI_CONTEXT* context = nullptr;
    const TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti.c_str(), &context);
    if (rc != TSS2_RC_SUCCESS)
        return fail(ErrorKind::tpm_unavailable, "cannot open the TPM by {} ({}); switch the TPM on in the firmware's set-up", tcti,
                    Tss2_RC_Decode(rc));
    return std::make_unique<EsysTpm>(OwnedTcti(context));
}

std::unique_ptr<Tpm> esys_tpm_on(TSS2_TCTI_CONTEXT* tcti) {
    silence_tss();
    return std::make_unique<EsysTpm>(tcti);
}

std::string default_tcti() { return test_seam_or(TestSeam::tcti, "device:/dev/tpmrm0"); }

}  // namespace lethe
