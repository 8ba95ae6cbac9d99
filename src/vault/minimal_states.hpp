#pragma once

#include <map>

#include "vault/rollback_counter.hpp"

namespace lethe {

/// Where a larger index of minimal states is made, beside the one at minimal_state_index_handle; a still larger one is made there again. So
/// the index is at one of the two handles, and at both only while it grows.
constexpr std::uint32_t minimal_state_second_handle = 0x0180010f;

/// The minimal state of each relay, in an NV index of the TPM (minimal_state_index_handle): what is left when the disk is lost, and all
/// that a machine without a disk keeps. Two slots in one index; a write takes one TPM command, which power cannot tear, and leaves the
/// other slot.
///
/// On a machine without a disk what is kept is numbered with the counter, as snapshots are elsewhere. Beside snapshots, which have the
/// counter, it is not: what an owner of the TPM could put back is no older than the five days after which tor discards it.
///
/// What the octets mean, this does not look at. Layout in docs/formats.md, "Minimal states".
class MinimalStates {
public:
    using Relays = std::map<std::string, Octets>;

    /// Sends no command yet. @param tpm  is borrowed. @param numbered  on a machine without a disk.
    MinimalStates(Tpm& tpm, const VaultKeys& key, bool numbered)
        : tpm_(&tpm),
          key_(key.kind_key(ObjectKind::minimal)),
          counter_(tpm, key),
          anchor_handle_(key.handles().anchor),
          numbered_(numbered) {}

    /// What was written last. When it is numbered and not counted yet, it is counted now.
    /// @error not_found    nothing was ever written.
    /// @error corrupt      no slot is whole.
    /// @error rollback     numbered, and older than what the TPM has counted; or the counter is gone.
    /// @error wrong_state  the index is not Lethe's, or the counter was redefined.
    Result<Relays> read();

    /// Whether a slot has room for this.
    bool fits(const Relays& relays) const;

    /// Writes into the older slot, and counts when this is numbered. The index is made when there is none; when a slot is too small, a
    /// larger index is made and written before this one is undefined, for which the TPM needs room for both.
    /// @error invalid_argument  not fits(). Nothing has been written.
    /// @error rollback          numbered, and the counter is gone.
    /// @error wrong_state       the index is not Lethe's, or the TPM has no room.
    Result<void> write(const Relays& relays);

    /// Overwrites and undefines the index; nothing to do when there is none. A numbered one gets a new counter, which accepts nothing from
    /// before.
    Result<void> reset();

    /// Writes what read() gives under another vault key, whose counter is there, beside it: into the older slot, or, when that is too
    /// small, into a larger index. Nothing to do when nothing was written, or no slot is whole.
    /// @error rollback, wrong_state  as read(), of what is numbered; nothing has been written.
    Result<void> carry_over(const VaultKeys& next);

    /// Leaves of both slots, and of both indices, nothing that is not whole under this vault key, as long as something is.
    Result<void> copy_newest();

private:
    struct Slots;
    Result<Slots> read_slots() const;
    Result<void> accept(std::uint64_t number);
    Result<std::uint64_t> next_number(const Slots& slots);
    Result<Slots> read_index(std::uint32_t handle) const;
    Result<void> write_slot(const Slots& slots, OctetView object);
    Result<void> write_larger(const Slots& slots, OctetView object);
    Result<void> write_both(std::uint32_t handle, std::size_t slot_octets, OctetView object);

    Tpm* tpm_;
    Secret key_;
    RollbackCounter counter_;
    std::uint32_t anchor_handle_;
    bool numbered_;
};

/// Undefines the index of minimal states and the counters, whoever's they are: with a vault that is given up they have no use.
Result<void> forget_numbered_states(Tpm& tpm);

}  // namespace lethe
