#pragma once

#include <gtest/gtest.h>

#include <set>

#include "booted_pcrlock.hpp"
#include "built_release.hpp"
#include "recorded_esp.hpp"
#include "refusing_ports.hpp"
#include "temporary_folder.hpp"
#include "updated/service.hpp"

namespace lethe {

/// What a boot leaves to the next: a value.
struct UpdateState {
    Medium medium;          ///< the ESP, with the store at the top
    CopiedTpm tpm;          ///< with the PCRs of the running boot
    std::string index_pin;  ///< of the policy's NV index
    std::string one_shot;   ///< of the boot loader
    std::optional<Octets> note;
    bool secure_boot = true;
    std::optional<Digest> vault;  ///< digest of a key that the vault was sealed with; not in the machine but in the world
};

/// An instant at which power can go, before something that outlives the boot is changed.
struct UpdateMoment {
    UpdateState state;
    std::string next;  ///< what would have come

    /// What the machine can find at the next boot; no more than `most`.
    std::vector<UpdateState> after_cut(std::size_t most, std::mt19937& random) const;
};

/// A machine that boots releases from its ESP, as systemd-boot 257 chooses them: it measures what they extend, and runs what has to do with
/// updates.
class BootingMachine {
public:
    explicit BootingMachine(UpdateState given = {});

    UpdateState state;
    std::set<std::string> unhealthy;          ///< versions that never become healthy
    std::set<std::string> offline;            ///< versions that are healthy in all but the network
    std::set<std::string> read_only;          ///< files in /EFI/Linux that FAT has as such: the boot loader cannot rename them, and goes on
    std::vector<std::string> left_variables;  ///< of boot loader and stub, by another system
    bool adds_a_driver = false;               ///< something on the disk or on a card does, which nobody signed
    std::optional<BootedImage> seems_booted;  ///< what variables of the firmware and the ESP make of it instead
    bool returns_from_an_entry = false;       ///< the firmware tries another boot option first, which nobody accounts for
    Refuse refuse = [](const std::string&) -> Result<void> { return {}; };

    /// Puts release 1 there, as an installer does, boots it and seals a vault.
    void install(const BesideFiles& beside = {{"torrc.cred", {'o', 'n', 'e'}}});
    /// As install() when an earlier release did it: its policy holds neither PCR 2 nor PCR 7 without Secure Boot, and one value of PCR 12.
    bool enrolled_by_an_earlier_release = false;
    bool enrolled_without_secure_boot = false;  ///< its policy does not hold PCR 7, whatever the firmware says now

    /// Power off and on, up to the end of lethe-commit. @return whether it stays so: false when it reboots to fall back.
    bool boot();
    /// Boots until it stays, four times at most.
    void boot_until_it_stays();

    UpdateService& service() { return running_->service; }
    BootedPcrlock& pcrlock() { return running_->pcrlock; }
    const std::string& version() const { return running_->release.version; }
    std::chrono::sys_seconds now{std::chrono::hours(1'000'000)};  ///< the clock
    Result<void> committed;                                       ///< what lethe-commit came to
    /// The vault opened in both of its phases in this boot, and was the one that was sealed.
    bool opened = false;

    /// The key, as a digest. Nothing when the vault does not open at this point of a boot in which nothing has opened it.
    std::optional<Digest> vault();
    /// Whether it opens in this boot, in which lethe-identityd has opened it.
    bool opens_again();
    /// A PCR before the vault was opened.
    Digest before_opening(unsigned pcr);
    /// Whether lethe-identityd sees to it that nothing opens it again: not with a policy of which systemd-pcrlock alone has the PIN.
    bool closes() const { return !state.index_pin.empty(); }
    Store store();
    Store kept_store();                       ///< in which nothing is recorded
    std::vector<std::string> images() const;  ///< names in /EFI/Linux, folders too
    /// A release of the profile that this machine takes: production with Secure Boot, debug without.
    const Octets& built(ReleaseSpec release) const;
    /// Puts a release there by hand, complete and without tries.
    void put(const ReleaseSpec& release, const BesideFiles& beside);
    UpdatePorts ports(Pcrlock& pcrlock);
    /// As lethe-identityd hands them over.
    Result<PolicyKeys> policy_keys() const;
    /// As when the file of it was torn.
    void forget_note();

    /// The moments of what is done, and the one after it.
    std::vector<UpdateMoment> record(const std::function<void()>& what);

private:
    struct Running {
        Running(BootingMachine& machine, ReleaseName release, bool counted);
        void extend(LogEvent event, BootingMachine& machine);
        ReleaseName release;    ///< as it was booted, and under the name that it has now
        std::string booted_as;  ///< its file
        bool counted = false, complete = false;
        std::vector<LogEvent> events;
        Octets image;  ///< as it was measured
        BootedPcrlock pcrlock;
        std::optional<Digest> before_opening;  ///< PCR 12
        std::optional<VaultKey> vault;         ///< as lethe-identityd keeps what derives from it, once it has opened it
        UpdateService service;
    };

    void before(const std::string& what);
    void keep_note();
    std::optional<ReleaseName> chosen_entry();
    std::optional<ReleaseName> load_entry(bool& counted);
    /// @return false when it cannot be.
    bool rename(const ReleaseName& from, const ReleaseName& to);
    void look_at_name();
    void measure_boot();
    void reach(std::string_view phase);
    bool on_trial() const;
    void open_vault();
    bool run_services();
    void enroll();
    Result<BootedImage> booted_image() const;
    Result<BootReading> read_boot(const BootedImage& image) const;
    Result<Octets> read_file(const std::filesystem::path& file) const;
    LastUpdate last_update() const { return LastUpdate(folder_ / "last-update"); }

    TemporaryFolder folder_;
    std::vector<UpdateMoment>* timeline_ = nullptr;
    std::unique_ptr<Running> running_;
};

// Options of a stage.
StageOptions downgrading();
StageOptions with_beside(BesideFiles files);
StageOptions without(std::vector<std::string> files);
StageOptions with_records(Octets records);

}  // namespace lethe
