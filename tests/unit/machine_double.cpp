#include "machine_double.hpp"

#include <stdexcept>

#include "keyring/compact_ring.hpp"
#include "pcrlock/policy_file.hpp"
#include "temporary_folder.hpp"
#include "tor/key_folder.hpp"
#include "tpm/policy.hpp"

namespace lethe {

const KeySet& pooled_keys(int number) {
    static std::array<std::optional<KeySet>, key_pool_count> pool;
    auto& keys = pool.at(static_cast<std::size_t>(number));
    if (!keys) {
        const TemporaryFolder scratch;
        auto made = create_keys("/usr/bin/tor", scratch.path());
        if (!made) throw std::runtime_error(made.error().message);
        keys = std::move(*made);
    }
    return *keys;
}

KeySet clone(const KeySet& keys) {
    KeyFiles files;
    for (const auto& [name, octets] : keys.files) files.emplace(name, Secret::copy_of(octets.expose()));
    return {std::move(files), keys.fingerprints, keys.signing_key_expires, keys.has_master_secret, keys.family_ids};
}

void make_unanchored(Store& store, Tpm& tpm, bool in_tpm, const VaultKey& key) {
    VaultRecord record = read_vault_record(store).value();
    const auto in_force = confirmed_policy_file(tpm, read_policy_files(store).value(), record.handles().policy).value();
    const Secret sealed = tpm.unseal(record.root, record.index, record.sealed, in_force.policy).value();
    record.sealed = tpm.seal(record.root, sealed.prefix(32), policy_authorize_nv(record.index.name)).value();
    for (int slot = 0; slot < 2; ++slot) replace_vault(store, record).value();
    store.erase({ObjectKind::ledger, ""}).value();
    for (const auto handle : {anchor_index_handle, counter_index_handle}) tpm.nv_undefine(handle).value();
    if (!in_tpm) return;
    const ObjectId id{ObjectKind::keyring, ""};
    const Secret keyring_key = key.kind_key(id.kind);
    auto ring = decode_ring(store.read(keyring_key, id).value().payload).value();
    ring.stamp.reset();
    store.write(keyring_key, id, encode_ring(ring)).value();
}

Result<TpmReference> CutTpm::storage_root() {
    before_("the TPM's storage root");
    return tpm_.storage_root();
}

Result<void> CutTpm::nv_define(std::uint32_t handle, std::uint16_t octets) {
    before_(std::format("define NV {:#x}", handle));
    return tpm_.nv_define(handle, octets);
}

Result<void> CutTpm::nv_undefine(std::uint32_t handle) {
    before_(std::format("undefine NV {:#x}", handle));
    return tpm_.nv_undefine(handle);
}

// As Esys_NV_Write does it: from the end, as much as a command takes.
Result<void> CutTpm::nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) {
    const std::size_t most = TRY(tpm_.nv_limits()).write_octets;
    do {
        const std::size_t first = octets.empty() ? 0 : (octets.size() - 1) / most * most;
        before_write_(handle, static_cast<std::uint16_t>(offset + first), octets.subspan(first));
        TRY(tpm_.nv_write(handle, static_cast<std::uint16_t>(offset + first), octets.subspan(first)));
        octets = octets.first(first);
    } while (!octets.empty());
    return {};
}

Result<void> CutTpm::counter_define(std::uint32_t handle, const Secret& authorisation) {
    before_(std::format("define the counter {:#x}", handle));
    return tpm_.counter_define(handle, authorisation);
}

namespace {

class CutCounter final : public NvCounter {
public:
    CutCounter(std::unique_ptr<NvCounter> counter, Before before, std::uint32_t handle)
        : counter_(std::move(counter)), before_(std::move(before)), handle_(handle) {}
    Result<std::uint64_t> read() override { return counter_->read(); }
    Result<void> increment() override {
        before_(std::format("count in {:#x}", handle_));
        return counter_->increment();
    }

private:
    std::unique_ptr<NvCounter> counter_;
    Before before_;
    std::uint32_t handle_;
};

}  // namespace

Result<std::unique_ptr<NvCounter>> CutTpm::counter_open(std::uint32_t handle, const Secret& authorisation) {
    return std::make_unique<CutCounter>(TRY(tpm_.counter_open(handle, authorisation)), before_, handle);
}

}  // namespace lethe
