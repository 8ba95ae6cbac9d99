#pragma once

#include <gtest/gtest.h>

#include "enroll/reenroll.hpp"
#include "machine_double.hpp"
#include "recorded_disk.hpp"

namespace lethe {

/// What a boot leaves to the next: a value.
struct Persistent {
    Medium medium;
    CopiedTpm tpm;
    int minted = 0;                           ///< key sets that tor has made
    std::map<std::string, std::string> seen;  ///< fingerprints that tor has been given, by relay; not in the machine but in the world
};

/// An instant at which power can go, before something that outlives the boot is changed.
struct Moment {
    struct NvWrite {
        std::uint32_t handle;
        std::uint16_t offset;
        Octets octets;
    };
    Persistent state;
    std::string next;  ///< what would have come
    std::optional<NvWrite> write = {};

    /// What the machine can find at the next boot; of the media no more than `most`.
    std::vector<Persistent> after_cut(std::size_t most, std::mt19937& random) const;
};

/// A machine with its disk, or without one, and what runs on it after a boot: enrolment where it is needed, then the daemon.
class CutMachine {
public:
    explicit CutMachine(bool in_tpm, Persistent state = {}) : state(std::move(state)), in_tpm_(in_tpm) {}

    /// Power off and on.
    void boot();
    IdentityService& daemon() { return running_->service; }
    const MemoryKeyPlace& place() const { return running_->place; }
    /// What `lethectl identity recover --store` does, and the restart of the daemon after it.
    Result<void> reenroll(const RecoverySecretKey& key, const std::string& fingerprint);

    /// What `lethectl recovery-key set` and `remove` do.
    Result<void> set_recovery_key(const std::optional<RecoveryPublicKey>& key);

    /// The moments of what is done, and the one after it.
    std::vector<Moment> record(const std::function<void()>& what);

    Store store();
    bool in_tpm() const { return in_tpm_; }
    Result<VaultKey> vault_key();
    /// Both slots of an object, as far as they exist.
    std::vector<Octets> slots(const ObjectId& id);
    /// The keys that each slot holds which can be read of a relay.
    std::vector<KeySet> stored_keys(const std::string& relay);

    Persistent state;
    std::vector<std::string> relays;  ///< configured
    std::string enrolment_failure;

private:
    struct Running {
        explicit Running(CutMachine& machine);
        PolicyMaker<FakeTpm> pcrlock;
        MemoryKeyPlace place;
        IdentityService service;
    };
    std::unique_ptr<Disk> disk();
    std::unique_ptr<Tpm> tpm();
    void before(const std::string& what);
    template <class Work>
    auto with_ports(Work work);
    void restore_policy_file();
    std::vector<PcrPolicy> policies_in_force();

    bool in_tpm_;
    std::vector<Moment>* timeline_ = nullptr;
    std::unique_ptr<Running> running_;
};

/// Something that an operator does, or a boot, and what has to hold when it is cut.
struct Operation {
    std::string name;
    std::vector<std::string> relays;  ///< configured before the machine is enrolled
    std::function<void(CutMachine&)> prepare = [](CutMachine&) {};
    std::function<Result<void>(CutMachine&)> command{};  ///< none: the boot is the operation
    /// What the command may answer when it is given again after it had done its work.
    std::set<ErrorKind> when_done{};
    /// The fingerprints that a relay may have after the next boot, "" while there is none. Of others: what tor has been given.
    std::map<std::string, std::set<std::string>> may_be{};
    /// Asserts what holds after the boot that follows a cut.
    std::function<void(CutMachine&)> expect_after_cut = [](CutMachine&) {};
    bool opens_before = true;  ///< the vault, when power goes before the end
    /// Asserts what the whole operation leaves, after any number of boots.
    std::function<void(CutMachine&)> expect_done{};
};

/// Runs the operation, cuts it everywhere, and counts the states that have been looked at.
/// @param again  after how many of the cuts, chosen at random, the boot that follows is cut as well.
std::size_t cut_everywhere(const Operation& operation, bool in_tpm, std::size_t again = 0);

}  // namespace lethe
