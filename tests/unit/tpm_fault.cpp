#include "tpm_fault.hpp"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <chrono>
#include <iostream>

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
    service_ = std::make_unique<IdentityService>(
        [this]() -> Result<OpenedStore> { return OpenedStore{store(), in_tpm_}; },
        [this]() -> Result<std::unique_ptr<Tpm>> { return std::make_unique<BorrowedTpm>(*tpm_); }, *place_);
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

std::vector<std::uint32_t> FaultMachine::handles() {
    ESYS_CONTEXT* esys = nullptr;
    EXPECT_EQ(Esys_Initialize(&esys, tpm_->traffic().context(), nullptr), TSS2_RC_SUCCESS);
    std::vector<std::uint32_t> handles;
    for (const std::uint32_t first : {TPM2_PERSISTENT_FIRST, TPM2_NV_INDEX_FIRST}) {
        TPMS_CAPABILITY_DATA* data = nullptr;
        EXPECT_EQ(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, nullptr,
                                     &data),
                  TSS2_RC_SUCCESS);
        handles.insert(handles.end(), data->data.handles.handle, data->data.handles.handle + data->data.handles.count);
        Esys_Free(data);
    }
    Esys_Finalize(&esys);
    return handles;
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

namespace {

// The size in a response's header: after the tag (TPM 2.0 Part 1, 18).
void claim_size(std::span<std::uint8_t> response, std::uint32_t size) {
    for (std::size_t i = 0; i < 4; ++i) response[2 + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
}

bool uses_a_session(std::uint32_t code) {
    return std::ranges::contains(std::array<std::uint32_t, 7>{TPM2_CC_Create, TPM2_CC_Load, TPM2_CC_Unseal, TPM2_CC_PolicyPCR,
                                                              TPM2_CC_PolicyOR, TPM2_CC_PolicyAuthorizeNV, TPM2_CC_FlushContext},
                                 code);
}

const std::vector<TpmFault>& faults() {
    using enum ErrorKind;
    static const std::vector<TpmFault> all{
        {.name = "lockout", .answer = TPM2_RC_LOCKOUT, .errors = {tpm_locked_out}},
        {.name = "NV full",
         .answer = TPM2_RC_NV_SPACE,
         .errors = {wrong_state},
         .hits = [](std::uint32_t code) { return code == TPM2_CC_NV_DefineSpace || code == TPM2_CC_EvictControl; }},
        {.name = "busy once", .answer = TPM2_RC_RETRY},
        {.name = "lost session", .answer = TPM2_RC_REFERENCE_S0, .errors = {tpm_unavailable}, .hits = uses_a_session},
        {.name = "lost handle", .answer = TPM2_RC_HANDLE, .errors = {tpm_unavailable}, .hits = uses_a_session},
        {.name = "failure mode", .answer = TPM2_RC_FAILURE, .errors = {tpm_unavailable}},
        {.name = "too short", .tamper = [](std::span<std::uint8_t> response) { claim_size(response, 9); }, .errors = {tpm_unavailable}},
        {.name = "longer than it is",
         .tamper = [](std::span<std::uint8_t> response) { claim_size(response, static_cast<std::uint32_t>(response.size() + 7)); },
         .errors = {tpm_unavailable}},
        {.name = "transport", .answer = TSS2_TCTI_RC_IO_ERROR, .errors = {tpm_unavailable}},
    };
    return all;
}

// Those whose answer says what is to be flushed: when it is lost, only the kernel's resource manager knows.
bool makes_a_handle(std::uint32_t code) {
    return std::ranges::contains(std::array<std::uint32_t, 3>{TPM2_CC_StartAuthSession, TPM2_CC_Load, TPM2_CC_CreatePrimary}, code);
}

struct Faulter {
    const FaultedOperation& operation;
    std::filesystem::path prepared;
    std::vector<std::uint32_t> commands, handles;
    std::size_t count = 0;

    // Fails the command with this number.
    void arm(FaultMachine& machine, const TpmFault& fault, std::size_t failing) const {
        auto& traffic = machine.tpm().traffic();
        traffic.forget();
        traffic.before = [&traffic, &fault, failing](std::uint32_t) -> std::optional<std::uint32_t> {
            return traffic.exchanges().size() == failing ? fault.answer : std::nullopt;
        };
        traffic.tamper = [&traffic, &fault, failing](std::uint32_t, std::span<std::uint8_t> response) {
            if (fault.tamper && traffic.exchanges().size() == failing + 1 && response.size() > 10) fault.tamper(response);
        };
    }

    void run(const TpmFault& fault, std::size_t failing) {
        FaultMachine machine(operation.in_tpm, &prepared);
        machine.start_daemon();
        arm(machine, fault, failing);
        const auto done = operation.run(machine);
        machine.tpm().traffic().before = nullptr;
        machine.tpm().traffic().tamper = nullptr;
        const std::uint32_t code = commands[failing];
        EXPECT_TRUE(done || fault.errors.contains(done.error().kind))
            << "kind " << static_cast<int>(done.error().kind) << ": " << done.error().message;
        const bool lost = fault.tamper && makes_a_handle(code);
        const bool kept = code == TPM2_CC_FlushContext && fault.answer;
        EXPECT_LE(machine.tpm().leftovers(), lost || kept ? 1U : 0U);
        for (const auto handle : machine.handles()) EXPECT_TRUE(std::ranges::contains(handles, handle)) << std::format("{:#x}", handle);

        operation.expect_failed(machine);

        const auto again = operation.run(machine);
        EXPECT_TRUE(again || operation.when_done.contains(again.error().kind)) << again.error().message;
        operation.expect_done(machine);
        EXPECT_EQ(machine.handles(), handles);
        ++count;
    }
};

}  // namespace

std::size_t fail_everywhere(const FaultedOperation& operation) {
    FaultMachine first(operation.in_tpm);
    operation.prepare(first);
    const auto prepared = first.put_away();
    Faulter faulter{operation, prepared, {}, {}};
    {
        const auto start = std::chrono::steady_clock::now();
        FaultMachine clean(operation.in_tpm, &prepared);
        clean.start_daemon();
        clean.tpm().traffic().forget();
        const auto done = operation.run(clean);
        EXPECT_TRUE(done) << done.error().message;
        faulter.commands = clean.tpm().traffic().command_codes();
        operation.expect_done(clean);
        faulter.handles = clean.handles();
        std::cout << operation.name << ": clean run " << std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start) << "\n";
    }
    for (const TpmFault& fault : faults()) {
        for (std::size_t i = 0; i < faulter.commands.size(); ++i) {
            if (!fault.hits(faulter.commands[i])) continue;
            const auto trace = std::format("{}: {} at command {} of {} ({:#x})", operation.name, fault.name, i + 1, faulter.commands.size(),
                                           faulter.commands[i]);
            SCOPED_TRACE(trace);
            faulter.run(fault, i);
        }
    }
    std::cout << operation.name << ": " << faulter.commands.size() << " commands, " << faulter.count << " faults\n";
    return faulter.count;
}

}  // namespace lethe
