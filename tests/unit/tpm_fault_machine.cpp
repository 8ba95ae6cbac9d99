#include <tss2/tss2_esys.h>
#include <tss2/tss2_sys.h>

#include <algorithm>

#include "tpm_fault.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {

FaultMachine::FaultMachine(bool in_tpm, const std::filesystem::path* from) : in_tpm_(in_tpm) {
    if (from != nullptr) std::filesystem::copy(*from, folder_.path(), std::filesystem::copy_options::recursive);
    std::filesystem::create_directories(folder_ / "store");
    tpm_ = std::make_unique<SoftwareTpm>(folder_ / "tpm");
    for (const unsigned pcr : {0U, 4U, 7U, 11U}) {
        const Digest digest = digest_of(static_cast<std::uint8_t>(pcr));
        pcrs_.extend(pcr, digest);
        if (from == nullptr) tpm_->extend(pcr, digest);  // a TPM that is taken up again goes on running
    }
    pcrlock_ = std::make_unique<PolicyMaker<SoftwareTpm>>(pcrs_, *tpm_, [](const std::string&) {});
    place_ = std::make_unique<MemoryKeyPlace>(minted_, seen_);
    service_ = std::make_unique<IdentityService>([this]() -> Result<OpenedStore> { return OpenedStore{store(), in_tpm_}; },
                                                 [this]() -> Result<std::unique_ptr<Tpm>> { return std::make_unique<BorrowedTpm>(*tpm_); },
                                                 *place_);
}

FaultMachine::~FaultMachine() = default;

Store FaultMachine::store() {
    if (in_tpm_) return Store(std::make_unique<NvDisk>(std::make_unique<BorrowedTpm>(*tpm_)));
    return Store::open(folder_ / "store").value();
}

template <class Work>
auto FaultMachine::with_ports(Work work) {
    Store opened = store();
    return work(EnrolmentPorts{
        *tpm_, opened, in_tpm_, *pcrlock_,
        []() -> Result<BootedImage> { return BootedImage{true, "/efi/EFI/Linux/lethe_1+3.efi", "/efi/EFI/BOOT/BOOTX64.EFI"}; },
        [](std::string_view) {}});
}

Result<Enrolment> FaultMachine::enroll(std::vector<std::string> relays) {
    const EnrolmentRequest request{.discard = false, .extra_pcrs = {}, .relays = std::move(relays)};
    return with_ports([&](const EnrolmentPorts& ports) { return lethe::enroll(ports, request); });
}

Result<void> FaultMachine::reenroll(const RecoverySecretKey& key, const std::string& fingerprint) {
    const Reenrolment request{RecoverySecretKey(Secret::copy_of(key.octets().expose())), fingerprint, {}};
    TRY(with_ports([&](const EnrolmentPorts& ports) { return lethe::reenroll(ports, request); }));
    return {};
}

Result<VaultKey> FaultMachine::open_vault() {
    const Store opened = store();
    std::vector<PcrPolicy> policies;
    for (const auto& file : TRY(read_policy_files(opened))) policies.push_back(file.policy);
    return lethe::open_vault(*tpm_, opened, policies);
}

void FaultMachine::start_daemon() { service_->restore(); }

std::filesystem::path FaultMachine::put_away() {
    service_.reset();
    pcrlock_.reset();
    tpm_.reset();
    return folder_.path();
}

namespace {

// ESAPI on a TPM's traffic, for questions that no verb asks.
struct Esys {
    explicit Esys(SoftwareTpm& tpm) { EXPECT_EQ(Esys_Initialize(&context, tpm.traffic().context(), nullptr), TSS2_RC_SUCCESS); }
    ~Esys() { Esys_Finalize(&context); }
    ESYS_CONTEXT* context = nullptr;
};

}  // namespace

std::vector<std::uint32_t> FaultMachine::handles_from(std::uint32_t first) {
    const Esys esys(*tpm_);
    TPMS_CAPABILITY_DATA* data = nullptr;
    EXPECT_EQ(Esys_GetCapability(esys.context, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES,
                                 nullptr, &data),
              TSS2_RC_SUCCESS);
    std::vector<std::uint32_t> handles(data->data.handles.handle, data->data.handles.handle + data->data.handles.count);
    Esys_Free(data);
    return handles;
}

std::vector<std::uint32_t> FaultMachine::handles() {
    auto handles = handles_from(TPM2_PERSISTENT_FIRST);
    const auto indices = handles_from(TPM2_NV_INDEX_FIRST);
    handles.insert(handles.end(), indices.begin(), indices.end());
    return handles;
}

void FaultMachine::flush() {
    const Esys esys(*tpm_);
    TSS2_SYS_CONTEXT* sys = nullptr;
    EXPECT_EQ(Esys_GetSysContext(esys.context, &sys), TSS2_RC_SUCCESS);
    for (const std::uint32_t first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST}) {
        for (const std::uint32_t handle : handles_from(first)) EXPECT_EQ(Tss2_Sys_FlushContext(sys, handle), TSS2_RC_SUCCESS);
    }
    EXPECT_EQ(tpm_->leftovers(), 0U);
}

std::vector<std::string> FaultMachine::files() {
    std::vector<std::string> files;
    if (in_tpm_) {
        files = NvDisk(std::make_unique<BorrowedTpm>(*tpm_)).names().value();
    } else {
        for (const auto& entry : std::filesystem::directory_iterator(folder_ / "store")) files.push_back(entry.path().filename());
    }
    std::ranges::sort(files);
    return files;
}

}  // namespace lethe
