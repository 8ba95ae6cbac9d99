#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "stated/budget.hpp"
#include "stated/minimal_keeper.hpp"
#include "stated/place.hpp"
#include "vault/configuration.hpp"
#include "vault/snapshots.hpp"

namespace lethe {

enum class StateStanding {
    open,     ///< snapshots are taken
    minimal,  ///< there is no disk for snapshots: the bandwidth history alone is kept, in the TPM
    refused,  ///< what the store holds is older than the TPM's counter says, or the counter is another: a person has to say what is to be
              ///< done
    shut,     ///< the vault is shut
};
std::string_view name_of(StateStanding standing);

/// Where the state came from that a relay's tor was given.
enum class StateSource { snapshot, previous, minimal, kept, nothing };
std::string_view name_of(StateSource source);

struct StateStatus {
    std::string name;
    StateSource source = StateSource::nothing;
    std::string reason;                    ///< why it was not the newest snapshot, or what is wrong with it
    std::string trouble;                   ///< why its state could not be taken up the last time
    std::uint64_t generation = 0;          ///< of the newest snapshot with this relay's state; 0: none
    std::chrono::sys_seconds taken{};      ///< when its state was taken up last; or what there is of it written
    std::uint64_t octets = 0;              ///< of its state then, before compression
    std::uint64_t restored_bandwidth = 0;  ///< octets a second that tor announces from what it was given
    bool operator==(const StateStatus&) const = default;
};

/// What lethe-stated does, without D-Bus and without an event loop. Derives all from store, TPM and tor's folders, so it may die at any
/// instant. Holds the newest state of each relay in locked memory, because every snapshot has all of them.
class StateService {
public:
    using TpmOpener = std::function<Result<std::unique_ptr<Tpm>>()>;
    using StoreOpener = std::function<Result<OpenedStore>()>;
    /// Of the vault, once it has been opened in this boot: those of VaultKeys::of_state(). @error wrong_state  it is shut.
    using KeyReader = std::function<Result<VaultKeys>()>;
    using Now = std::function<std::chrono::sys_seconds()>;
    /// How long the machine has run, which no time server changes.
    using Uptime = std::function<std::chrono::seconds()>;
    /// Whether a time server has set the clock in this boot.
    using Synchronised = std::function<bool()>;

    /// Borrows `place`. Touches nothing yet.
    StateService(StoreOpener open_store, TpmOpener open_tpm, KeyReader read_keys, StatePlace& place, Configuration configuration,
                 Budget budget, Now now, Uptime uptime, Synchronised synchronised)
        : open_store_(std::move(open_store)),
          open_tpm_(std::move(open_tpm)),
          read_keys_(std::move(read_keys)),
          place_(place),
          configuration_(std::move(configuration)),
          budget_(std::move(budget)),
          now_(std::move(now)),
          uptime_(std::move(uptime)),
          synchronised_(std::move(synchronised)) {}

    /// Opens the store and lays out what the newest snapshot has for each relay. Never fails as a whole: standing() and relays() say how it
    /// went. Relays whose tor has its state already are left alone.
    void restore();

    /// Seals the state of every relay that has changed, if one has. A relay whose state is not whole, or larger than a relay's share, keeps
    /// what the last snapshot had; one that is forgotten is in neither slot afterwards. On a machine without a disk the bandwidth history
    /// goes into the TPM.
    ///
    /// When a relay's clock has jumped since its last state, that one is kept beside the new one: a snapshot that was written by a wrong
    /// clock takes the place of nothing. What is kept so stays, however often the clock jumps, until one that a time server has set
    /// confirms a later state.
    ///
    /// @return the number of the newest snapshot; 0 on a machine without a disk.
    /// @error wrong_state  the vault is shut, the snapshots are refused, or the day's budget is spent, or the share of
    ///                     each relay that has changed.
    /// @error corrupt      a relay's state is not whole; the others are in a snapshot. Names the relay.
    /// @error io, tpm_unavailable  as Snapshots::write; the next one tries again.
    Result<std::uint64_t> snapshot(SnapshotCause cause);

    /// Gives up all that is kept and defines the counter anew. What the relays have is taken up by the next snapshot.
    Result<void> reset();

    StateStanding standing() const { return standing_; }
    /// Whether states are given to the relays and taken up from them: into snapshots, or the TPM alone.
    bool may_give() const { return standing_ == StateStanding::open || standing_ == StateStanding::minimal; }
    const std::optional<Error>& reason() const { return reason_; }
    std::uint64_t generation() const { return generation_; }
    /// Why the bandwidth histories could not be written into the TPM beside the last snapshot; empty when they were.
    const std::string& minimal_reason() const { return minimal_reason_; }
    const std::map<std::string, StateStatus>& relays() const { return relays_; }
    unsigned per_day() const { return budget_.per_day(); }
    unsigned budget_left() const { return budget_.left(now_()); }
    const Configuration& configuration() const { return configuration_; }

private:
    using Identities = std::map<std::string, RsaFingerprint>;
    struct Open {
        std::unique_ptr<Tpm> tpm;
        std::unique_ptr<Store> store;
        TpmReference index;  ///< of the policy: each vault key has one of its own
        MinimalKeeper minimal;
        std::optional<Snapshots> snapshots;  ///< none on a machine without a disk
    };

    Result<Open> open();
    Result<Fd> write_alone();
    Result<std::uint64_t> snapshot_alone(SnapshotCause cause);
    Result<Snapshot> read();
    void judge(const Error& error);
    void refuse(StateStanding standing, const Error& error);
    void restore_relay(const std::string& name, const RsaFingerprint& relay, const Result<Snapshot>& snapshot);
    Result<bool> give(const std::string& name, const RsaFingerprint& relay, const Snapshot& snapshot);
    void give_minimal(const std::string& name, const RsaFingerprint& relay, const Error& loss);
    void give_nothing(const std::string& name, const std::string& reason);
    void adopt(const std::string& name, const RsaFingerprint& relay);
    void forget(const std::string& name);
    void forget_if_of_another(const std::string& name, const RsaFingerprint& relay);
    std::optional<Error> take_up_all(const Identities& relays);
    Result<bool> take_up(const std::string& name, const RsaFingerprint& relay, std::size_t share_octets);
    Moment moment() const { return {now_(), uptime_(), synchronised_()}; }
    void put_after(const std::string& name, StateFiles before, StateFiles& now, const Moment& at);
    void tell_of_future(const std::string& name, const StateFiles& before, const StateFile& now);
    Result<void> drop_forgotten(const Identities& relays);
    Result<std::string> payer(SnapshotCause cause, const std::set<std::string>& changed) const;
    Result<void> write_snapshot(const std::string& payer);
    Result<void> write_minimal(SnapshotCause cause);

    StoreOpener open_store_;
    TpmOpener open_tpm_;
    KeyReader read_keys_;
    StatePlace& place_;
    Configuration configuration_;
    Budget budget_;
    Now now_;
    Uptime uptime_;
    Synchronised synchronised_;
    std::optional<Open> open_;
    StateStanding standing_ = StateStanding::shut;
    std::optional<Error> reason_;
    std::string minimal_reason_;
    std::uint64_t generation_ = 0;
    RelayStates states_;               ///< the payloads of the newest snapshot, or of the next
    std::set<std::string> unwritten_;  ///< the relays whose part the newest snapshot does not have; "" for none of them
    bool forgotten_ = false;           ///< something that the slots have is to be in neither
    std::map<std::string, std::chrono::seconds> taken_up_;  ///< at which uptime a relay's state was
    Identities identities_;                                 ///< of the relays below
    std::map<std::string, StateStatus> relays_;
};

}  // namespace lethe
