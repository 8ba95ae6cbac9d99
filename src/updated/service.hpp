#pragma once

#include "updated/machine.hpp"

namespace lethe {

struct StageOptions {
    bool allow_downgrade = false;
    std::optional<Octets> records;  ///< what the release's own systemd measures: a component of systemd-pcrlock
    BesideFiles beside;             ///< in the place of, or besides, those of the running release
    std::vector<std::string> drop;  ///< of those, left out
};

/// What a release would change, PCR by PCR.
struct PlannedPcr {
    unsigned pcr;
    Digest present;
    std::vector<Digest> predicted;  ///< after each of the opening phases
    std::string cause;              ///< the first event that differs; empty when none does
    bool required;                  ///< the policy holds it
};
struct PlannedUpdate {
    std::string running, staged;  ///< versions
    std::vector<PlannedPcr> pcrs;
};

/// What lethe-updated does, without D-Bus and without an event loop. Derives all from TPM, store, ESP and boot, so it may die at any
/// instant.
///
/// A release comes onto the ESP without its first sector, so that no boot loader starts it; the policy of both releases is made and proved;
/// the first sector comes last. Power that goes before leaves a file that is none, which settle() removes.
class UpdateService {
public:
    /// Touches nothing yet.
    explicit UpdateService(UpdatePorts ports) : ports_(std::move(ports)) {}

    /// Looks around, and brings to its end what a cut or another system has left: a release that was not written to its end goes; one that
    /// failed its trial, or that the boot loader passed over, leaves the policy and the ESP; so does what a policy admits that is not there
    /// any more; a commit that failed is done again. Never fails as a whole: status() says how it went.
    void settle();

    /// @param file  of the UKI, which must outlive the call.
    /// @return the version that is staged now.
    /// @error see org.lethe.Update1.Manager.Stage
    Result<std::string> stage(OctetView file, const StageOptions& options);

    /// The running UKI with other files beside it, as a version of its own.
    /// @error see org.lethe.Update1.Manager.StageConfiguration
    Result<std::string> stage_configuration(const BesideFiles& files, const std::vector<std::string>& drop);

    /// Stages the release that waits for the network once more, with the files beside it that the running one has: checked, predicted and
    /// proved as by stage(), since anyone who can write to the ESP may have changed it. One that is refused goes.
    ///
    /// @param at_once  although its time has not come.
    /// @return the version that is staged now; empty when its time has not come, or, unless `at_once`, none waits.
    /// @error not_found  none waits. @error as stage(); what is no refusal of the release leaves it waiting.
    Result<std::string> retry(bool at_once);

    /// What stage() would change. Writes nothing. @error as stage(), but for those of writing
    Result<PlannedUpdate> preview(OctetView file, const StageOptions& options);

    /// The same for the release that is staged. @error not_found  none is.
    Result<PlannedUpdate> plan();

    /// Takes the staged release off, and what is noted of one that failed. @error not_found  there is neither.
    Result<void> abort();

    /// Keeps the running release: its file counts boots no more; all others leave the policy and then the ESP, but for one that was staged
    /// in this boot. What runs decides, and no name of a file: the policy is narrowed even where the ESP cannot be written.
    /// @error wrong_state  it is on trial, and this boot has not been found good.
    Result<void> commit();

    /// Makes the policy's NV index of a new vault key, which admits the running release alone, as far as the one in force does.
    /// @param keys  its PIN, and which it is.
    /// @return systemd-pcrlock's policy file of it.
    /// @error see org.lethe.Update1.Manager.MakePolicyIndex
    Result<std::string> make_policy_index(const PolicyKeys& keys);

    const UpdateStatus& status() const { return status_; }

    /// The entry of the boot loader that the next boot has to take: that of the staged release.
    Result<void> choose_staged();

private:
    Result<void> look_around(UpdateMachine& machine);
    PolicyState policy_state(UpdateMachine& machine);
    void tell(UpdateMachine& machine);
    Result<void> missing(const Error& error);
    Result<void> settle(UpdateMachine& machine);
    Result<void> settle_trial(UpdateMachine& machine);
    void count_boot(UpdateMachine& machine);
    Result<UpdateMachine> open_settled();
    bool is_waiting(const std::string& version) const;
    void judge_waiting(UpdateMachine& machine, const std::vector<StoredRelease>& releases);
    Result<void> count_trial();
    Result<void> take_off(UpdateMachine& machine, const std::string& version);
    Result<void> put(UpdateMachine& machine, const Candidate& candidate, const ReleaseName* waiting);
    Result<void> undo(UpdateMachine& machine, const Candidate& candidate, bool waited);
    Result<void> stage_again(UpdateMachine& machine, const ReleaseName& waiting, OctetView image);
    Result<void> give_up(UpdateMachine& machine, const std::string& version, const Error& why);
    Result<void> note_failure(const StagedRelease& staged);
    Result<void> note_false_name(const UpdateMachine& machine);
    Result<void> take_false_name_off(UpdateMachine& machine);
    Result<void> insist();
    Result<void> note_passed_over(const std::string& running);
    bool is_complete();
    void clean_variables();
    void notice(std::string text);
    Result<void> bless(UpdateMachine& machine);
    Result<void> remove_twins(UpdateMachine& machine);
    Result<void> keep(UpdateMachine& machine);
    Result<void> keep_alone(UpdateMachine& machine);
    Result<void> rename(UpdateMachine& machine, const ReleaseName& name);
    Result<UpdateMachine> open_for_change();
    Result<UpdateMachine> open_for_staging();
    Result<void> stage(UpdateMachine& machine, const Candidate& candidate, const ReleaseName* waiting = nullptr);
    Result<void> shut_others_out(UpdateMachine& machine);
    Result<void> narrow(UpdateMachine& machine);
    Result<void> expect_nothing_staged();

    UpdatePorts ports_;
    UpdateStatus status_;
    // For people alone: what has been repaired, and why a policy could not be narrowed. Nothing is decided by it.
    std::vector<std::string> notices_;   ///< what has been repaired, of this boot
    std::vector<std::string> failures_;  ///< what could not be, the last time that it was tried
    std::string trouble_;
};

}  // namespace lethe
