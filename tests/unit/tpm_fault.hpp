#pragma once

#include <gtest/gtest.h>

#include "counting_tcti.hpp"
#include "enroll/reenroll.hpp"
#include "machine_double.hpp"
#include "rekeyed.hpp"
#include "software_tpm.hpp"
#include "temporary_folder.hpp"

namespace lethe {

/// One thing that can go wrong with a command.
struct TpmFault {
    std::string name;
    std::optional<std::uint32_t> answer{};                           ///< in place of the TPM's, which never sees the command
    std::function<void(std::span<std::uint8_t> response)> tamper{};  ///< or what the response becomes
    std::set<ErrorKind> errors{};                                    ///< that may come of it; none: the operation succeeds all the same
    bool lasts = false;                                              ///< from then on, instead of once
    std::function<bool(std::uint32_t command_code)> hits = [](std::uint32_t) { return true; };
    bool hits_few = false;  ///< so few commands that each of them is failed, and not a sample
};

/// A machine with a real TPM in software, and what runs on it. One may live at a time.
class FaultMachine {
public:
    /// @param from  the folder of an earlier one, which is copied; none: a new machine.
    explicit FaultMachine(bool in_tpm, const std::filesystem::path* from = nullptr);
    ~FaultMachine();

    void start_daemon();
    IdentityService& daemon() { return *service_; }
    Result<Enrolment> enroll(std::vector<std::string> relays);
    Result<void> set_recovery_key(const RecoveryPublicKey& key) { return lethe::set_recovery_key(*service_, *tpm_, store(), key); }
    Result<void> reenroll(const RecoverySecretKey& key, const std::string& fingerprint);
    Result<VaultKey> open_vault();
    Store store();
    bool in_tpm() const { return in_tpm_; }
    SoftwareTpm& tpm() { return *tpm_; }

    /// Switches the machine off and says where it lies.
    std::filesystem::path put_away();
    /// The handles of persistent objects and NV indices in the TPM.
    std::vector<std::uint32_t> handles();
    /// Flushes sessions and transient objects, as the kernel's resource manager does when a client closes it.
    void flush();
    /// The names of what the store holds.
    std::vector<std::string> files();

private:
    template <class Work>
    auto with_ports(Work work);
    std::vector<std::uint32_t> handles_from(std::uint32_t first);

    bool in_tpm_;
    TemporaryFolder folder_;
    std::unique_ptr<SoftwareTpm> tpm_;
    FakeTpm pcrs_;  ///< with the same PCRs
    int minted_ = 0;
    std::map<std::string, std::string> seen_;
    std::unique_ptr<PolicyMaker<SoftwareTpm>> pcrlock_;
    std::unique_ptr<MemoryKeyPlace> place_;
    std::unique_ptr<IdentityService> service_;
};

/// Something that is done with a TPM, and what has to hold when one of its commands fails.
struct FaultedOperation {
    std::string name;
    bool in_tpm = false;  ///< where the store lies
    std::function<void(FaultMachine&)> prepare = [](FaultMachine&) {};
    std::function<Result<void>(FaultMachine&)> run{};
    /// What the operation may answer when it is given again after it had done its work.
    std::set<ErrorKind> when_done{};
    /// Asserts what is left when it has failed, before it is given again.
    std::function<void(FaultMachine&)> expect_failed = [](FaultMachine&) {};
    /// Asserts what the operation leaves, and what may never be lost.
    std::function<void(FaultMachine&)> expect_done{};
};

/// Counts the commands of a clean run, then fails them with each fault: every kind of command at least once with some, those that a fault
/// hits few of always, and of the rest a sample, or all with LETHE_CUTS=all; LETHE_CUTS_SEED gives the seed. Returns how many faults there
/// were.
std::size_t fail_everywhere(const FaultedOperation& operation);
/// The same with one command failed and a later one from which on nothing answers: about so many of these pairs, or all.
std::size_t fail_in_pairs(const FaultedOperation& operation, std::size_t samples);

}  // namespace lethe
