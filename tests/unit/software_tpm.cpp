#include "software_tpm.hpp"

#include <dlfcn.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "counting_tcti.hpp"
#include "tpm/esys_tpm.hpp"
#include "tpm/policy.hpp"

namespace lethe {

namespace {

void check(TSS2_RC rc, const char* what) {
    if (rc != TSS2_RC_SUCCESS) throw std::runtime_error(std::format("software TPM: {} fails with {:#x}", what, rc));
}

std::filesystem::path new_folder() {
    std::string name = std::filesystem::temp_directory_path() / "lethe-tpm-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("software TPM: cannot make a temporary folder");
    return name;
}

/// The part of libtpms that its TCTI does not reach: switching the TPM off and on. The library is the one that the TCTI has loaded, so that
/// it is the same TPM. Debian's libtpms0 comes without headers; these are from libtpms/tpm_library.h.
class LibTpms {
public:
    void power_cycle() {
        constexpr int permanent = 1;  // TPMLIB_STATE_PERMANENT
        unsigned char* state = nullptr;
        std::uint32_t size = 0;
        require(function<std::uint32_t (*)(int, unsigned char**, std::uint32_t*)>("TPMLIB_GetState")(permanent, &state, &size));
        function<void (*)()>("TPMLIB_Terminate")();
        require(function<std::uint32_t (*)(int, const unsigned char*, std::uint32_t)>("TPMLIB_SetState")(permanent, state, size));
        std::free(state);
        require(function<std::uint32_t (*)()>("TPMLIB_MainInit")());
    }

private:
    struct Close {
        void operator()(void* library) const { dlclose(library); }
    };
    static void require(std::uint32_t result) {
        if (result != 0) throw std::runtime_error(std::format("software TPM: libtpms answers {:#x}", result));
    }
    template <class Function>
    Function function(const char* name) {
        void* const symbol = library_ ? dlsym(library_.get(), name) : nullptr;
        if (symbol == nullptr) throw std::runtime_error(std::format("software TPM: no {} in libtpms", name));
        return reinterpret_cast<Function>(symbol);
    }
    std::unique_ptr<void, Close> library_{dlopen("libtpms.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)};
};

/// libtpms keeps a second copy of its state in a file NVChip in the working directory; the TCTI gives it no other place.
class InFolder {
public:
    explicit InFolder(const std::filesystem::path& folder) : before_(std::filesystem::current_path()) {
        std::filesystem::current_path(folder);
    }
    ~InFolder() { std::filesystem::current_path(before_); }

private:
    std::filesystem::path before_;
};

}  // namespace

struct SoftwareTpm::Connection {
    explicit Connection(const std::string& name) {
        check(Tss2_TctiLdr_Initialize(name.c_str(), &libtpms), "opening the TCTI");
        traffic.emplace(libtpms);
        check(Esys_Initialize(&esys, libtpms, nullptr), "Esys_Initialize");
        const TSS2_RC rc = Esys_Startup(esys, TPM2_SU_CLEAR);
        if (rc != TPM2_RC_INITIALIZE) check(rc, "TPM2_Startup");  // it is running when its volatile state has been taken up
    }
    ~Connection() {
        Esys_Finalize(&esys);
        Tss2_TctiLdr_Finalize(&libtpms);
    }

    TSS2_TCTI_CONTEXT* libtpms = nullptr;
    ESYS_CONTEXT* esys = nullptr;  ///< for the verbs beyond the port
    std::optional<CountingTcti> traffic;
};

SoftwareTpm::SoftwareTpm() : folder_(new_folder()), state_file_(folder_ / "state") { connect(); }
SoftwareTpm::SoftwareTpm(const std::filesystem::path& state_file)
    : folder_(new_folder()), state_file_(std::filesystem::absolute(state_file)) {
    connect();
}

SoftwareTpm::~SoftwareTpm() {
    tpm_.reset();
    connection_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void SoftwareTpm::connect() {
    setenv("TSS2_LOG", "all+none", 0);
    const InFolder folder(folder_);
    connection_ = std::make_unique<Connection>(tcti());
    tpm_ = esys_tpm_on(connection_->traffic->context());
}

std::string SoftwareTpm::tcti() const { return "libtpms:" + state_file_.string(); }
CountingTcti& SoftwareTpm::traffic() { return *connection_->traffic; }

void SoftwareTpm::power_cycle() {
    check(Esys_Shutdown(connection_->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_CLEAR), "TPM2_Shutdown");
    {
        const InFolder folder(folder_);
        LibTpms().power_cycle();
    }
    check(Esys_Startup(connection_->esys, TPM2_SU_CLEAR), "TPM2_Startup");
}

void SoftwareTpm::extend(unsigned pcr, const Digest& digest) {
    TPML_DIGEST_VALUES values{};
    values.count = 1;
    values.digests[0].hashAlg = TPM2_ALG_SHA256;
    std::ranges::copy(digest, values.digests[0].digest.sha256);
    check(Esys_PCR_Extend(connection_->esys, pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values), "TPM2_PCR_Extend");
}

void SoftwareTpm::define_index(std::uint32_t handle) {
    ESYS_CONTEXT* const esys = connection_->esys;
    ESYS_TR index = ESYS_TR_NONE;
    if (Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index) == TSS2_RC_SUCCESS)
        check(Esys_NV_UndefineSpace(esys, ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE), "TPM2_NV_UndefineSpace");

    // As systemd's tpm2_define_policy_nv_index has it, and AUTHWRITE besides: tests write with an empty password, not with a signed policy.
    TPM2B_NV_PUBLIC area{};
    area.nvPublic.nvIndex = handle;
    area.nvPublic.nameAlg = TPM2_ALG_SHA256;
    area.nvPublic.attributes = (TPM2_NT_ORDINARY << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_WRITEALL | TPMA_NV_POLICYWRITE | TPMA_NV_AUTHWRITE |
                               TPMA_NV_OWNERREAD | TPMA_NV_NO_DA;
    area.nvPublic.dataSize = authorized_policy_content(Digest{}).size();
    area.nvPublic.authPolicy.size = sizeof(Digest);
    std::ranges::copy(Secret::random(sizeof(Digest)).expose(), area.nvPublic.authPolicy.buffer);
    const TPM2B_AUTH no_password{};
    check(Esys_NV_DefineSpace(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_password, &area, &index),
          "TPM2_NV_DefineSpace");
    Esys_TR_Close(esys, &index);
}

void SoftwareTpm::write_index(std::uint32_t handle, OctetView content) {
    ESYS_CONTEXT* const esys = connection_->esys;
    ESYS_TR index = ESYS_TR_NONE;
    check(Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index), "TPM2_NV_ReadPublic");
    TPM2B_MAX_NV_BUFFER data{};
    data.size = content.size();
    std::ranges::copy(content, data.buffer);
    check(Esys_NV_Write(esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, 0), "TPM2_NV_Write");
    Esys_TR_Close(esys, &index);
}

void SoftwareTpm::authorize(std::uint32_t handle, const PcrPolicy& policy) {
    if (!tpm_->nv_index(handle)) define_index(handle);
    write_index(handle, authorized_policy_content(pcrlock_policy(policy).value()));
}

void SoftwareTpm::set_owner_password(const std::string& password) {
    TPM2B_AUTH auth{};
    auth.size = password.size();
    std::ranges::copy(password, auth.buffer);
    check(Esys_HierarchyChangeAuth(connection_->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &auth),
          "TPM2_HierarchyChangeAuth");
    check(Esys_TR_SetAuth(connection_->esys, ESYS_TR_RH_OWNER, &auth), "Esys_TR_SetAuth");
}

std::size_t SoftwareTpm::leftovers() {
    std::size_t count = 0;
    for (const std::uint32_t first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST, TPM2_ACTIVE_SESSION_FIRST}) {
        TPMS_CAPABILITY_DATA* data = nullptr;
        check(Esys_GetCapability(connection_->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES,
                                 nullptr, &data),
              "TPM2_GetCapability");
        count += data->data.handles.count;
        Esys_Free(data);
    }
    return count;
}

}  // namespace lethe
