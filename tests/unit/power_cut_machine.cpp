#include <ranges>

#include "keyring/compact_ring.hpp"
#include "power_cut.hpp"
#include "tor/compact_identity.hpp"
#include "vault/nv_disk.hpp"

namespace lethe {

void CutMachine::before(const std::string& what) {
    if (timeline_ != nullptr) timeline_->push_back({state, what});
}

std::unique_ptr<Tpm> CutMachine::tpm() {
    return std::make_unique<CutTpm>(
        state.tpm, [this](const std::string& what) { before(what); },
        [this](std::uint32_t handle, std::uint16_t offset, OctetView octets) {
            before(std::format("write NV {:#x} at {}", handle, offset));
            if (timeline_ != nullptr) timeline_->back().write = {handle, offset, Octets(octets.begin(), octets.end())};
        });
}

std::unique_ptr<Disk> CutMachine::disk() {
    if (in_tpm_) return std::make_unique<NvDisk>(tpm());
    return std::make_unique<RecordedDisk>(state.medium, [this](const std::string& what) { before(what); });
}

Store CutMachine::store() { return Store(disk()); }

template <class Work>
auto CutMachine::with_ports(Work work) {
    Store opened = store();
    const auto port = tpm();
    return work(EnrolmentPorts{
        *port, opened, in_tpm_, running_->pcrlock,
        []() -> Result<BootedImage> { return BootedImage{true, "/efi/EFI/Linux/lethe_1+3.efi", "/efi/EFI/BOOT/BOOTX64.EFI"}; },
        [](std::string_view) {}});
}

CutMachine::Running::Running(CutMachine& machine)
    : pcrlock(machine.state.tpm, machine.state.tpm, [&machine](const std::string& what) { machine.before(what); }),
      place(machine.state.minted, machine.state.seen),
      service([&machine]() -> Result<OpenedStore> { return OpenedStore{machine.store(), machine.in_tpm_}; },
              [&machine]() -> Result<std::unique_ptr<Tpm>> { return machine.tpm(); }, place) {}

// lethe-policy-restore
void CutMachine::restore_policy_file() {
    const Store opened = store();
    const auto files = read_policy_files(opened);
    if (!opened.exists({ObjectKind::vault, ""}).value_or(false) || !files) return;
    const auto confirmed = confirmed_policy_file(state.tpm, *files, policy_index_of(opened).value_or(policy_index_handle));
    if (confirmed) running_->pcrlock.file_ = confirmed->json;
}

void CutMachine::boot() {
    running_.reset();
    state.tpm.power_cycle();
    for (const unsigned pcr : {0U, 4U, 7U, 11U}) state.tpm.extend(pcr, digest_of(static_cast<std::uint8_t>(pcr)));
    running_ = std::make_unique<Running>(*this);
    restore_policy_file();
    const auto enrolled =
        with_ports([&](const EnrolmentPorts& ports) { return enroll(ports, {.discard = false, .extra_pcrs = {}, .relays = relays}); });
    enrolment_failure = enrolled ? "" : enrolled.error().message;
    daemon().restore();
}

Result<void> CutMachine::reenroll(const RecoverySecretKey& key, const std::string& fingerprint) {
    Reenrolment request{RecoverySecretKey(Secret::copy_of(key.octets().expose())), fingerprint, {}};
    TRY(with_ports([&](const EnrolmentPorts& ports) { return lethe::reenroll(ports, request); }));
    daemon().restore();
    return {};
}

Result<void> CutMachine::set_recovery_key(const std::optional<RecoveryPublicKey>& key) {
    const auto keys = TRY(daemon().begin_rekeying());
    const auto pcrs = policies_in_force().front() | std::views::transform(&AdmittedPcr::pcr) | std::ranges::to<std::vector>();
    TRY(running_->pcrlock.make_policy(pcrs, keys));
    return daemon().set_recovery_key(key, *running_->pcrlock.file_, keys);
}

std::vector<PcrPolicy> CutMachine::policies_in_force() {
    const auto files = read_policy_files(store());
    return files ? *files | std::views::transform(&PolicyFile::policy) | std::ranges::to<std::vector>() : std::vector<PcrPolicy>{};
}

std::vector<Moment> CutMachine::record(const std::function<void()>& what) {
    std::vector<Moment> moments;
    timeline_ = &moments;
    what();
    before("the end");
    timeline_ = nullptr;
    return moments;
}

Result<VaultKey> CutMachine::vault_key() { return open_vault(state.tpm, store(), policies_in_force()); }

std::vector<Octets> CutMachine::slots(const ObjectId& id) {
    std::vector<Octets> slots;
    for (const char* slot : {".a", ".b"})
        if (auto octets = disk()->read(file_stem(id) + slot)) slots.push_back(std::move(*octets));
    return slots;
}

std::vector<KeySet> CutMachine::stored_keys(const std::string& relay) {
    const ObjectId id = in_tpm_ ? ObjectId{ObjectKind::keyring, ""} : ObjectId{ObjectKind::identity, relay};
    const Secret key = vault_key().value().kind_key(id.kind);
    std::vector<KeySet> found;
    for (const auto& slot : slots(id)) {
        const auto version = decrypt_object(key, id, slot);
        if (!version) continue;
        if (!in_tpm_) {
            found.push_back(decode_identity(version->payload).value());
            continue;
        }
        const auto ring = decode_ring(version->payload).value();
        const auto entry = ring.relays.find(relay);
        if (entry != ring.relays.end() && !entry->second.keys.empty())
            found.push_back(from_compact(entry->second.keys.expose(), {}).value());
    }
    return found;
}

}  // namespace lethe
