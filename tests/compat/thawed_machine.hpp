#pragma once

#include <gtest/gtest.h>

#include <set>

#include "../unit/temporary_folder.hpp"
#include "frozen_machine.hpp"
#include "vault/vault.hpp"

namespace lethe {

/// GENERATION/NAME of every frozen machine.
std::vector<std::string> frozen_machines();

/// Those of the newest generation.
std::vector<std::string> newest_machines(bool in_tpm);

/// For the name of a test with this machine.
std::string test_name(const testing::TestParamInfo<std::string>& machine);

/// A copy of a frozen machine, with its TPM powered on and nothing measured yet. One may live at a time.
class ThawedMachine {
public:
    explicit ThawedMachine(const std::string& name);

    /// What its manifest says.
    const FrozenMachine& manifest() const { return manifest_; }
    SoftwareTpm& tpm() { return *tpm_; }
    std::unique_ptr<Disk> disk();
    IdentityService::StoreOpener store_opener() { return store_of(manifest_.in_tpm, path(), *tpm_); }
    Store store() { return Store(disk()); }

    void measure(const std::vector<Measurement>& events);
    /// Measures what its manifest says, and opens the vault.
    VaultKey open(const Store& store);
    std::unique_ptr<IdentityService> start(KeyPlace& place);

    /// The objects in its store, by the names of their slots without `.a` and `.b`.
    std::set<std::string> objects();
    /// Changes one octet behind the header in every slot of an object.
    void change(const std::string& object);

private:
    std::filesystem::path path() const { return folder_ / "machine"; }

    FrozenMachine manifest_;
    TemporaryFolder folder_;
    std::optional<SoftwareTpm> tpm_;
};

/// The vault key out of the recovery box. @param secret  the recovery key's secret half, as text.
Result<VaultKey> vault_key_from_box(const Store& store, const std::string& secret);

}  // namespace lethe
