#include "vault/snapshots.hpp"

#include <algorithm>
#include <ranges>

#include "vault/enrolment_mark.hpp"
#include "vault/slot.hpp"

namespace lethe {

Result<Snapshots> Snapshots::open(Disk& disk, Tpm& tpm, const VaultKeys& key) {
    if (const auto free = disk.free_octets(); !free)
        return in_context(free.error(), "no snapshots of the relays' state can be kept in the store");
    return Snapshots(disk, tpm, key.kind_key(ObjectKind::state), key.counter_authorisation(), key.handles());
}

Result<void> Snapshots::begin() {
    if (!TRY(counter_.is_missing())) return {};
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    TRY(counter_.value_or_new());
    if (!has_snapshots(slots)) TRY(write({}));
    return {};
}

Result<Snapshot> Snapshots::read() {
    standing_.reset();
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    const auto counted = count(slots);
    if (!counted && counted.error().kind == ErrorKind::not_found) return std::unexpected(no_snapshot(slots, *disk_, 0));
    const std::uint64_t count = TRY(counted);
    const auto newest = newest_accepted(slots, key_, count);
    if (!newest) return std::unexpected(no_snapshot(slots, *disk_, count));
    TRY(settle(slots, count));
    return take_parts(slots, *newest, count);
}

Result<std::uint64_t> Snapshots::write(const RelayStates& relays) {
    TRY(check_relay_states(relays));
    if (!standing_) TRY(look_around());
    const std::uint64_t generation = standing_->count + 1;
    const Octets slot = TRY(encode_snapshot(key_, generation, relays));
    const std::size_t target = standing_->newest == 0uz ? 1 : 0;
    std::size_t& present = standing_->present_octets[target];
    TRY(check_room(slot.size(), present));
    TRY(write_slot(*disk_, snapshot_files()[target], slot));
    present = std::max(present, slot_octets(*disk_, slot.size()));
    TRY(increment());
    standing_->count = generation;
    standing_->newest = target;
    return generation;
}

Result<void> Snapshots::erase() {
    standing_.reset();
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    const std::size_t newest = newest_of(slots);
    // The newest last: power that goes in between leaves it, and not an older one alone.
    return wipe_slots(*disk_, {slots[1 - newest].file, slots[newest].file});
}

// The snapshots first: when power goes, there is a counter that accepts none, or neither, which is where a machine begins.
Result<void> Snapshots::reset() {
    TRY(erase());
    return counter_.define_anew();
}

Result<bool> Snapshots::take_over() {
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    const std::size_t newest = newest_of(slots);
    if (!slots[newest].directory) return false;
    const auto counted = counter_.value();
    if (counted) return false;
    if (counted.error().kind != ErrorKind::not_found && counted.error().kind != ErrorKind::wrong_state)
        return std::unexpected(counted.error());
    Snapshot snapshot = take_parts(slots, newest, slots[newest].directory->generation);
    RelayStates states;
    for (auto& [relay, part] : snapshot.relays) states.emplace(relay, std::move(part.state));
    TRY(counter_.define_anew());
    standing_ = {TRY(counter_.value()), newest, {slots[0].octets.size(), slots[1].octets.size()}};
    TRY(write(states));
    return true;
}

Result<void> Snapshots::carry_over(const VaultKeys& next) {
    auto newest = read();
    if (!newest && newest.error().kind != ErrorKind::not_found && newest.error().kind != ErrorKind::corrupt)
        return std::unexpected(newest.error());
    RelayStates states;
    if (newest)
        for (auto& [relay, part] : newest->relays) states.emplace(relay, std::move(part.state));
    const std::uint64_t generation = TRY(RollbackCounter(*tpm_, next).value());
    const Octets slot = TRY(encode_snapshot(next.kind_key(ObjectKind::state), generation, states));
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    const std::size_t target = 1 - (standing_ ? standing_->newest.value_or(1) : newest_of(slots));
    TRY(check_room(slot.size(), slots[target].octets.size()));
    return write_over_slot(*disk_, slots[target].file, slot);
}

Result<void> Snapshots::copy_newest() {
    standing_.reset();
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    const std::size_t newest = newest_of(slots);
    if (!slots[newest].directory || slots[1 - newest].directory) return {};
    return write_over_slot(*disk_, slots[1 - newest].file, slots[newest].octets);
}

Result<std::uint64_t> Snapshots::count(const SnapshotSlots& slots) {
    auto value = counter_.value();
    if (value || value.error().kind != ErrorKind::not_found) return value;
    // An anchor is made together with the counter: without the one, the other was never there either (vault/anchor.hpp).
    if (has_snapshots(slots) || TRY(index_exists(*tpm_, handles_.anchor))) return std::unexpected(counter_gone());
    return value;
}

Error Snapshots::counter_gone() const {
    return {ErrorKind::rollback,
            std::format("the rollback counter (NV index {:#x}) is gone from the TPM, so that nothing tells whether the snapshots in {} are "
                        "the newest; find out who removed it, then run `lethectl state reset`",
                        handles_.snapshots, disk_->place())};
}

// Whether it has been counted is not known after a failure: the next verb looks around.
Result<void> Snapshots::increment() {
    auto done = counter_.increment();
    if (done) return done;
    standing_.reset();
    if (done.error().kind == ErrorKind::not_found) return std::unexpected(counter_gone());
    return in_context(done.error(), "the snapshot is not counted in the TPM");
}

Result<void> Snapshots::settle(const SnapshotSlots& slots, std::uint64_t count) {
    const auto newest = newest_accepted(slots, key_, count);
    // Written and not counted: counted now, so that its number is not used twice.
    const bool is_next = newest && slots[*newest].directory->generation != count;
    if (is_next) TRY(increment());
    standing_ = {count + (is_next ? 1 : 0), newest, {slots[0].octets.size(), slots[1].octets.size()}};
    return {};
}

Result<void> Snapshots::look_around() {
    const SnapshotSlots slots = TRY(read_snapshot_slots(*disk_, key_));
    auto counted = count(slots);
    if (!counted && counted.error().kind == ErrorKind::not_found) counted = counter_.value_or_new();  // the first use
    return settle(slots, TRY(counted));
}

Result<void> Snapshots::check_room(std::size_t octets, std::size_t present_octets) const {
    const std::size_t wanted = slot_octets(*disk_, octets);
    const std::size_t more = wanted - std::min(wanted, present_octets);
    const std::uint64_t free = TRY(disk_->free_octets());
    if (more <= free) return {};
    return fail(ErrorKind::io, "{} has room for {} octets, and the snapshot of the relays' state needs {} more; make room there",
                disk_->place(), free, more);
}

Snapshot Snapshots::take_parts(const SnapshotSlots& slots, std::size_t newest, std::uint64_t count) const {
    const SnapshotSlot &slot = slots[newest], &other = slots[1 - newest];
    Snapshot snapshot{slot.directory->generation, {}, {}};
    for (const auto& relay : slot.directory->parts | std::views::keys) {
        auto state = open_snapshot_part(key_, *slot.directory, relay, slot.octets);
        std::uint64_t generation = slot.directory->generation;
        if (!state && is_accepted(other, count) && other.directory->parts.contains(relay)) {
            state = open_snapshot_part(key_, *other.directory, relay, other.octets);
            generation = other.directory->generation;
        }
        if (state) snapshot.relays.emplace(relay, Snapshot::Relay{generation, std::move(*state)});
        else
            snapshot.damaged.emplace(
                relay, Error{ErrorKind::corrupt, std::format("{}/{}: the state of {} is damaged: {}; the relay goes on without it",
                                                             disk_->place(), slot.file, relay, state.error().message)});
    }
    return snapshot;
}

}  // namespace lethe
