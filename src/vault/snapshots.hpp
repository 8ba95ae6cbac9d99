#pragma once

#include <optional>

#include "vault/rollback_counter.hpp"
#include "vault/snapshot_slots.hpp"

namespace lethe {

/// What a snapshot has kept.
struct Snapshot {
    struct Relay {
        std::uint64_t generation;  ///< the snapshot's, or that of the other slot, from which a damaged part was taken
        Secret state;
    };
    std::uint64_t generation;
    std::map<std::string, Relay> relays;
    std::map<std::string, Error> damaged;  ///< the other relays in it: `corrupt`
};

/// The numbered snapshots of all relays' state: the object `state` of a store, whose generation a counter in the TPM confirms
/// (HandleSet::snapshots), so that older ones that are put back are refused.
///
/// A write goes to the slot that is not the newest accepted one, with the number after the counter's, is synced and read back; then the
/// counter is incremented. So one write, one sync and one TPM command make a snapshot, once the first verb has looked around; and whenever
/// power goes, the newest snapshot or the one before it is accepted. One of these at a time: nobody else writes the object or increments.
class Snapshots {
public:
    /// Sends no command yet.
    /// @param disk  of the store. It and `tpm` are borrowed.
    /// @error wrong_state  a store in the TPM: it has no room for snapshots.
    static Result<Snapshots> open(Disk& disk, Tpm& tpm, const VaultKeys& key);

    /// With the keys that VaultKeys gives for them, and whatever the disk is.
    /// @param key  the kind key of ObjectKind::state.
    Snapshots(Disk& disk, Tpm& tpm, Secret key, Secret counter_authorisation, const HandleSet& handles = first_handles)
        : disk_(&disk),
          tpm_(&tpm),
          key_(std::move(key)),
          handles_(handles),
          counter_(tpm, handles.snapshots, std::move(counter_authorisation)) {}

    /// Makes the counter where there is none, and the first snapshot, which has no relay: once both are there, what is missing of them has
    /// been removed. A counter that is there stays, and so do snapshots, which a new counter does not accept.
    /// @error wrong_state  the TPM has no room for a counter.
    Result<void> begin();

    /// The newest accepted snapshot. One that is written and not counted yet is counted now.
    ///
    /// @error not_found    there is none, and none was ever counted.
    /// @error rollback     those that there are, are older than what the TPM has counted; or the counter is gone, which the anchor of the
    ///                     store tells even when there is no snapshot.
    /// @error corrupt      no slot is whole; or there is none, and the TPM has counted some.
    /// @error wrong_state  the counter was redefined: no snapshot can be trusted.
    Result<Snapshot> read();

    /// Writes the next snapshot and returns its number. Relays that are not in it are gone with it. After an error what read() gives is
    /// the snapshot before, or this one. Snapshots that read() has refused are written over; not so when the counter is gone or was
    /// redefined: nothing is written until reset().
    ///
    /// @error invalid_argument  a name that no relay has, or too much state (encode_snapshot).
    /// @error io                no room on the disk, nothing has been written; or the disk fails.
    /// @error rollback          the counter is gone.
    /// @error wrong_state       the counter was redefined, or the TPM has no room for one.
    Result<std::uint64_t> write(const RelayStates& relays);

    /// Wipes and removes both slots. The counter stays.
    Result<void> erase();

    /// Erases the snapshots, removes whatever index has the counter's place, and defines a new counter, which accepts no snapshot from
    /// before. For a person who has found out why the counter is gone, or another one.
    Result<void> reset();

    /// Takes what another TPM has counted over into this one, on the word of somebody who has the vault key by another way: the newest
    /// whole snapshot gets this TPM's next number. Nothing here can tell whether it is the newest that there ever was.
    /// @return whether it did: not when there is no snapshot, nor when this TPM has the counter.
    /// @error  as write().
    Result<bool> take_over();

    /// Writes the newest snapshot under another vault key, whose counter is there, with the number that this has: into the slot that is
    /// not the newest. Where no snapshot is whole, it is one without relays.
    /// @error rollback, wrong_state  as read(); nothing has been written.
    /// @error io                     as write().
    Result<void> carry_over(const VaultKeys& next);

    /// Writes the newest snapshot into the other slot as well, when that is not whole under this vault key.
    Result<void> copy_newest();

private:
    /// What is known after looking around, so that the next write need not look again.
    struct Standing {
        std::uint64_t count;
        std::optional<std::size_t> newest;          ///< the slot that the next write leaves alone
        std::array<std::size_t, 2> present_octets;  ///< of the slots
    };

    Result<std::uint64_t> count(const SnapshotSlots& slots);
    Error counter_gone() const;
    Result<void> increment();
    Result<void> settle(const SnapshotSlots& slots, std::uint64_t count);
    Result<void> look_around();
    Result<void> check_room(std::size_t octets, std::size_t present_octets) const;
    Snapshot take_parts(const SnapshotSlots& slots, std::size_t newest, std::uint64_t count) const;

    Disk* disk_;
    Tpm* tpm_;
    Secret key_;
    HandleSet handles_;
    RollbackCounter counter_;
    std::optional<Standing> standing_;
};

}  // namespace lethe
