#include "machine_double.hpp"

#include <stdexcept>

#include "temporary_folder.hpp"
#include "tor/key_folder.hpp"

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

}  // namespace lethe
