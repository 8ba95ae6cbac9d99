#pragma once

#include <array>
#include <optional>

#include "vault/snapshot_container.hpp"

namespace lethe {

/// A slot of `state`, as it lies on the disk.
struct SnapshotSlot {
    std::string file;
    bool exists = false;
    Octets octets;
    std::optional<SnapshotDirectory> directory;  ///< when it is whole
    std::string damage;                          ///< when the slot exists and its directory is not
};
using SnapshotSlots = std::array<SnapshotSlot, 2>;

/// The two files: "state.a", "state.b".
std::array<std::string, 2> snapshot_files();

Result<SnapshotSlots> read_snapshot_slots(const Disk& disk, const Secret& key);

bool has_snapshots(const SnapshotSlots& slots);

/// Which slot has the highest number, whole or not.
std::size_t newest_of(const SnapshotSlots& slots);

/// Whether a counter that stands at `count` admits the slot: the next number may have been written and not counted yet.
bool is_accepted(const SnapshotSlot& slot, std::uint64_t count);

/// The newest slot that is accepted. One that is not counted yet and lacks a part is a write that was cut: the one before it goes first.
/// When there is none, it is better than nothing.
std::optional<std::size_t> newest_accepted(const SnapshotSlots& slots, const Secret& key, std::uint64_t count);

/// Why none is: not_found, rollback, or corrupt. @param count  0: there is no counter.
Error no_snapshot(const SnapshotSlots& slots, const Disk& disk, std::uint64_t count);

}  // namespace lethe
