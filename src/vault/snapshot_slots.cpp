#include "vault/snapshot_slots.hpp"

#include <algorithm>
#include <ranges>

#include "vault/slot.hpp"

namespace lethe {

namespace {

std::uint64_t generation_of(const SnapshotSlot& slot) { return slot.directory ? slot.directory->generation : 0; }

/// What is damaged, as an end to a sentence about the slot that is not.
std::string damage_in(const SnapshotSlots& slots) {
    for (const SnapshotSlot& slot : slots)
        if (slot.exists && !slot.directory) return std::format(" ({} is damaged: {})", slot.file, slot.damage);
    return "";
}

bool is_whole(const SnapshotSlot& slot, const Secret& key) {
    return std::ranges::all_of(slot.directory->parts | std::views::keys, [&](const std::string& relay) {
        return open_snapshot_part(key, *slot.directory, relay, slot.octets).has_value();
    });
}

}  // namespace

std::array<std::string, 2> snapshot_files() { return slot_files(file_stem({ObjectKind::state, ""})); }

Result<SnapshotSlots> read_snapshot_slots(const Disk& disk, const Secret& key) {
    SnapshotSlots slots;
    const auto files = snapshot_files();
    for (std::size_t i = 0; i < slots.size(); ++i) {
        SnapshotSlot& slot = slots[i];
        slot.file = files[i];
        auto octets = disk.read(slot.file);
        if (!octets && octets.error().kind == ErrorKind::not_found) continue;
        if (!octets && octets.error().kind != ErrorKind::corrupt && octets.error().kind != ErrorKind::io)
            return std::unexpected(octets.error());
        slot.exists = true;
        if (octets) slot.octets = std::move(*octets);
        auto directory = octets ? open_snapshot_directory(key, slot.octets) : std::unexpected(octets.error());
        if (directory) slot.directory = std::move(*directory);
        else slot.damage = directory.error().message;
    }
    return slots;
}

bool has_snapshots(const SnapshotSlots& slots) { return std::ranges::any_of(slots, &SnapshotSlot::exists); }

std::size_t newest_of(const SnapshotSlots& slots) { return generation_of(slots[1]) > generation_of(slots[0]) ? 1 : 0; }

bool is_accepted(const SnapshotSlot& slot, std::uint64_t count) {
    return slot.directory && (slot.directory->generation == count || slot.directory->generation - 1 == count);
}

std::optional<std::size_t> newest_accepted(const SnapshotSlots& slots, const Secret& key, std::uint64_t count) {
    const std::array<std::size_t, 2> order{newest_of(slots), 1 - newest_of(slots)};
    for (const std::size_t i : order)
        if (is_accepted(slots[i], count) && (slots[i].directory->generation == count || is_whole(slots[i], key))) return i;
    for (const std::size_t i : order)
        if (is_accepted(slots[i], count)) return i;
    return std::nullopt;
}

Error no_snapshot(const SnapshotSlots& slots, const Disk& disk, std::uint64_t count) {
    if (!has_snapshots(slots) && count == 0)
        return {ErrorKind::not_found, std::format("there is no snapshot of the relays' state in {}", disk.place())};
    if (!has_snapshots(slots))
        return {ErrorKind::corrupt,
                std::format("{} has lost its snapshots of the relays' state: there is none, and the TPM has counted to {}; "
                            "was the disk replaced?",
                            disk.place(), count)};
    const std::uint64_t newest = std::max(generation_of(slots[0]), generation_of(slots[1]));
    if (newest == 0)
        return {ErrorKind::corrupt, std::format("{}/{}: {}; no slot is whole, the relays go on without their state", disk.place(),
                                                slots[slots[0].exists ? 0 : 1].file, slots[slots[0].exists ? 0 : 1].damage)};
    if (newest > count)
        return {ErrorKind::rollback,
                std::format("the newest snapshot in {} is number {}, and the TPM has counted to {} only: this is another TPM, or an older "
                            "state of it; run `lethectl state reset`",
                            disk.place(), newest, count)};
    return {ErrorKind::rollback,
            std::format("the newest snapshot in {} is number {}, and the TPM has counted to {}: older ones have been put back{}; put the "
                        "newest state.a and state.b back, or let the relays go on without their state",
                        disk.place(), newest, count, damage_in(slots))};
}

}  // namespace lethe
