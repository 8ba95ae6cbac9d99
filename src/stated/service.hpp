#pragma once

#include <functional>
#include <map>
#include <optional>

#include "stated/budget.hpp"
#include "stated/place.hpp"
#include "vault/configuration.hpp"
#include "vault/snapshots.hpp"

namespace lethe {

enum class StateStanding {
    open,     ///< snapshots are taken
    refused,  ///< what the store holds is older than the TPM's counter says, or the counter is another: a person has to say what is to be
              ///< done
    shut,     ///< the vault is shut, or there is no place for snapshots
};
std::string_view name_of(StateStanding standing);

/// Where the state came from that a relay's tor was given.
enum class StateSource { snapshot, previous, minimal, kept, nothing };
std::string_view name_of(StateSource source);

struct StateStatus {
    std::string name;
    StateSource source = StateSource::nothing;
    std::string reason;                    ///< why it was not the newest snapshot, or what is wrong with it
    std::string trouble;                   ///< why its state could not be taken into the last snapshot
    std::uint64_t generation = 0;          ///< of the newest snapshot with this relay's state; 0: none
    std::chrono::sys_seconds taken{};      ///< when that was
    std::uint64_t octets = 0;              ///< of its state in it, before compression
    std::uint64_t restored_bandwidth = 0;  ///< octets a second that tor announces from what it was given
    bool operator==(const StateStatus&) const = default;
};

/// What lethe-stated does, without D-Bus and without an event loop. Derives all from store, TPM and tor's folders, so it may die at any
/// instant. Holds the newest state of each relay in locked memory, because every snapshot has all of them.
class StateService {
public:
    using TpmOpener = std::function<Result<std::unique_ptr<Tpm>>()>;
    using StoreOpener = std::function<Result<OpenedStore>()>;
    using Now = std::function<std::chrono::sys_seconds()>;

    /// Borrows `place`. Touches nothing yet.
    StateService(StoreOpener open_store, TpmOpener open_tpm, StatePlace& place, Configuration configuration, Budget budget, Now now)
        : open_store_(std::move(open_store)),
          open_tpm_(std::move(open_tpm)),
          place_(place),
          configuration_(std::move(configuration)),
          budget_(std::move(budget)),
          now_(std::move(now)) {}

    /// Opens the vault and lays out what the newest snapshot has for each relay. Never fails as a whole: standing() and relays() say how it
    /// went. Relays whose tor has its state already are left alone.
    void restore();

    /// Seals the state of every relay that has changed, if one has. A relay whose state is not whole keeps what the last snapshot had.
    ///
    /// @return the number of the newest snapshot.
    /// @error wrong_state  the vault is shut, the snapshots are refused, or the day's budget is spent.
    /// @error corrupt      a relay's state is not whole; the others are in a snapshot. Names the relay.
    /// @error io, tpm_unavailable  as Snapshots::write; the next one tries again.
    Result<std::uint64_t> snapshot(SnapshotCause cause);

    /// Gives up all snapshots, defines the counter anew, and takes up what the relays have.
    Result<void> reset();

    StateStanding standing() const { return standing_; }
    const std::optional<Error>& reason() const { return reason_; }
    std::uint64_t generation() const { return generation_; }
    const std::map<std::string, StateStatus>& relays() const { return relays_; }
    unsigned per_day() const { return budget_.per_day(); }
    unsigned budget_left() const { return budget_.left(now_()); }
    const Configuration& configuration() const { return configuration_; }

private:
    struct Open {
        std::unique_ptr<Tpm> tpm;
        std::unique_ptr<Store> store;
        Snapshots snapshots;
    };

    Result<Open> open();
    void refuse(StateStanding standing, const Error& error);
    void restore_relay(const std::string& name, const Result<Snapshot>& snapshot);
    Result<void> give(const std::string& name, const Snapshot& snapshot);
    void give_nothing(const std::string& name, const std::string& reason);
    Result<bool> take_up(const std::string& name);

    StoreOpener open_store_;
    TpmOpener open_tpm_;
    StatePlace& place_;
    Configuration configuration_;
    Budget budget_;
    Now now_;
    std::optional<Open> open_;
    StateStanding standing_ = StateStanding::shut;
    std::optional<Error> reason_;
    std::uint64_t generation_ = 0;
    RelayStates states_;      ///< the payloads of the newest snapshot, or of the next
    bool unwritten_ = false;  ///< of the next
    std::map<std::string, StateStatus> relays_;
};

}  // namespace lethe
