#pragma once

#include "image/release_image.hpp"
#include "image/releases.hpp"
#include "measure/prediction.hpp"
#include "pcrlock/opened_boot.hpp"
#include "pcrlock/policy_file.hpp"
#include "updated/ports.hpp"
#include "updated/status.hpp"

namespace lethe {

/// A machine on which updates are possible, opened for one change.
struct UpdateMachine {
    std::unique_ptr<Tpm> tpm;
    Store store;
    std::unique_ptr<Esp> esp;
    Releases releases;  ///< on `esp`
    BootedImage booted;
    RunningRelease running;
    PolicyFile in_force;
    std::string repaired;        ///< what was done about a damaged policy file; empty when nothing
    std::vector<unsigned> pcrs;  ///< that a policy has to hold: what has to be, and what the one in force holds besides

    /// @error not_found     no ESP, or not booted from one of its releases.
    /// @error wrong_state   not enrolled.
    /// @error policy_mismatch, rollback  the policy does not admit this boot, or none in the store is in force.
    static Result<UpdateMachine> open(const UpdatePorts& ports);

    /// Whether Secure Boot is on and the policy in force, made while it was not, does not hold PCR 7. What nobody has to sign (PCR 2) is
    /// taken in with a release that an operator stages, and by no boot alone.
    bool lacks_secure_boot() const;

    /// Reads the policy in force anew. @error policy_mismatch, rollback
    Result<void> read_policy(const UpdatePorts& ports);

    /// A release that lies beside the running one, as if it had been booted by the same loader.
    BootedImage booted_as(const ReleaseName& name) const;

    /// As they were when the vault could be opened. @param log  of this boot.
    Result<PcrValues> present(const EventLog& log) { return before_opening(TRY(tpm->read_pcrs(pcrs)), log); }
};

/// A release that is to be the next, and what its boot on this machine extends. Borrows the files.
struct Candidate {
    ReleaseName name;
    OctetView image;
    BesideFiles beside;
    PredictedEvents events;
    std::vector<Record> records;
};

/// Makes the policy of the running boot and, with one, of a candidate: components, gate, policy, proof. That of the candidate alone is made
/// ready then.
/// @error as lock_running_boot(), change_policy(), make_ready()
Result<void> admit(const UpdatePorts& ports, UpdateMachine& machine, const Candidate* candidate);

/// Makes the policy of the running boot alone from what was measured, whatever lies on the ESP. Nothing to do when it is so already, and
/// where there is no vault on a disk.
/// @return what became of the policy file (PolicyFileInForce::repaired).
/// @error as admit(); as UpdateMachine::open() of the policy
Result<std::string> admit_by_log(const UpdatePorts& ports);

}  // namespace lethe
