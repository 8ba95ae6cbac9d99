#include "vault/store.hpp"

#include <algorithm>
#include <limits>

#include "vault/slot.hpp"

namespace lethe {

struct Store::Slot {
    std::string file;
    bool exists = false;
    std::optional<ObjectVersion> version;  // when it is whole
    std::string damage;                    // when it exists and is not
};

Result<Store> Store::open(const std::filesystem::path& directory) { return Store(TRY(open_folder_disk(directory))); }

Result<std::vector<ObjectId>> Store::list(ObjectKind kind) const {
    const std::string prefix = file_stem({kind, ""});
    std::vector<ObjectId> ids;
    for (const std::string& file : TRY(disk_->names())) {
        if (!file.starts_with(prefix) || !(file.ends_with(".a") || file.ends_with(".b"))) continue;
        ObjectId id{kind, file.substr(prefix.size(), file.size() - prefix.size() - 2)};
        const bool is_named = kind == ObjectKind::identity;
        if (is_named != check_relay_name(id.name).has_value()) continue;  // somebody else's file
        ids.push_back(std::move(id));
    }
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    return ids;
}

Result<bool> Store::exists(const ObjectId& id) const {
    return TRY(disk_->exists(file_stem(id) + ".a")) || TRY(disk_->exists(file_stem(id) + ".b"));
}

Result<std::array<Store::Slot, 2>> Store::read_slots(const ObjectId& id, const Opener& open) const {
    std::array<Slot, 2> slots;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        Slot& slot = slots[i];
        slot.file = file_stem(id) + (i == 0 ? ".a" : ".b");
        auto octets = disk_->read(slot.file);
        if (!octets && octets.error().kind == ErrorKind::not_found) continue;
        // A TPM that does not answer says nothing about the slot: taken for damage, it would be written over.
        if (!octets && octets.error().kind != ErrorKind::corrupt && octets.error().kind != ErrorKind::io)
            return std::unexpected(octets.error());
        slot.exists = true;
        auto version = octets.and_then(open);
        if (version) slot.version = std::move(*version);
        else slot.damage = version.error().message;
    }
    return slots;
}

const Store::Slot* Store::newest_of(const ObjectId& id, const std::array<Slot, 2>& slots) const {
    const StoreWitness* const witness = witness_of(id);
    const Slot* newest = nullptr;
    for (const Slot& slot : slots) {
        if (!slot.version || (witness && !witness->accepts(id, *slot.version))) continue;
        if (newest == nullptr || slot.version->generation > newest->version->generation) newest = &slot;
    }
    return newest;
}

Result<ObjectVersion> Store::read(const Secret& key, const ObjectId& id) const {
    auto slots = TRY(read_slots(id, [&](OctetView octets) { return decrypt_object(key, id, octets); }));
    if (const Slot* const newest = newest_of(id, slots)) {
        Slot& found = slots[newest == &slots[0] ? 0 : 1];
        const Slot& other = slots[newest == &slots[0] ? 1 : 0];
        found.version->other_slot_damaged = other.exists && !other.version;
        return std::move(*found.version);
    }
    if (!slots[0].exists && !slots[1].exists) {
        const StoreWitness* const witness = witness_of(id);
        if (auto objection = witness ? witness->objection_to_absence(id) : std::nullopt) return std::unexpected(std::move(*objection));
        return fail(ErrorKind::not_found, "{} is not in the store {}", file_stem(id), place());
    }
    const auto damaged = std::ranges::find_if(slots, [](const Slot& slot) { return slot.exists && !slot.version; });
    if (slots[0].version || slots[1].version)
        return fail(ErrorKind::rollback,
                    "{}: {} is older than this machine: it was put back from earlier{}. Put back the newest copy, or adopt the store as it "
                    "is with `lethectl store accept`",
                    place(), file_stem(id),
                    damaged == slots.end() ? "" : std::format(", or {} is damaged ({})", damaged->file, damaged->damage));
    return fail(ErrorKind::corrupt, "{}: {}; no slot is whole, put it back from a copy of the store", path_of(damaged->file),
                damaged->damage);
}

Result<std::vector<ObjectVersion>> Store::read_framed(const ObjectId& id) const {
    auto slots = TRY(read_slots(id, [&](OctetView octets) { return unframe_object(id, octets); }));
    std::vector<ObjectVersion> versions;
    for (Slot& slot : slots)
        if (slot.version) versions.push_back(std::move(*slot.version));
    if (versions.size() == 1) versions.front().other_slot_damaged = slots[0].exists && slots[1].exists;
    std::ranges::sort(versions, std::ranges::greater{}, &ObjectVersion::generation);
    return versions;
}

// The witness knows of a version before it is there.
Result<std::uint64_t> Store::write_watched(const ObjectId& id, OctetView payload, const Opener& open, const Maker& make) {
    StoreWitness* const witness = witness_of(id);
    if (witness == nullptr) return write_next(id, open, make);
    const auto generation = TRY(witness->announce(id, payload));
    const std::uint64_t written = TRY(write_next(id, open, make, std::nullopt, generation));
    TRY(witness->confirm(id));
    // The object is there, whatever becomes of its copy.
    (void)write_next(id, open, make, written, written);
    return written;
}

Result<std::uint64_t> Store::write(const Secret& key, const ObjectId& id, const Secret& payload) {
    if (payload.size() > payload_limit_octets)
        return fail(ErrorKind::invalid_argument, "{}: {} octets are more than an object may have", file_stem(id), payload.size());
    return write_watched(
        id, payload.expose(), [&](OctetView octets) { return decrypt_object(key, id, octets); },
        [&](std::uint64_t generation) { return encrypt_object(key, id, generation, payload); });
}

Result<std::uint64_t> Store::write_framed(const ObjectId& id, OctetView payload) {
    return write_watched(
        id, payload, [&](OctetView octets) { return unframe_object(id, octets); },
        [&](std::uint64_t generation) { return frame_object(id, generation, payload); });
}

Result<std::uint64_t> Store::write_framed_beside(const ObjectId& id, OctetView payload, std::uint64_t kept) {
    return write_next(
        id, [&](OctetView octets) { return unframe_object(id, octets); },
        [&](std::uint64_t generation) { return frame_object(id, generation, payload); }, kept);
}

Result<std::uint64_t> Store::write_next(const ObjectId& id, const Opener& open, const Maker& make, std::optional<std::uint64_t> kept,
                                        std::optional<std::uint64_t> generation) {
    const auto slots = TRY(read_slots(id, open));
    const auto generation_of = [](const Slot& slot) { return slot.version ? slot.version->generation : 0; };
    const std::uint64_t highest = std::max(generation_of(slots[0]), generation_of(slots[1]));
    if (highest == 0 && slots[0].exists && slots[1].exists)
        return fail(ErrorKind::corrupt, "{}: {}; both slots are damaged and are left as they are", path_of(slots[0].file), slots[0].damage);
    constexpr std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
    if (highest == last && !kept)
        return fail(ErrorKind::corrupt, "{}: its number is the last there can be; put it back from a copy of the store",
                    path_of(slots[0].file));
    if (kept && (*kept == 0 || std::ranges::none_of(slots, [&](const Slot& slot) { return generation_of(slot) == *kept; })))
        return fail(ErrorKind::not_found, "{}: no slot holds number {}; it was written by somebody else", path_of(slots[0].file), *kept);
    // What was put back from earlier is written over, and not what is in force.
    const Slot* const newest = newest_of(id, slots);
    const std::uint64_t left_alone = kept.value_or(newest != nullptr ? newest->version->generation : highest);
    // The first write of an object may have been cut: then its one slot is damaged and the other is free.
    const Slot& target =
        highest == 0 ? (slots[0].exists ? slots[1] : slots[0]) : (generation_of(slots[0]) == left_alone ? slots[1] : slots[0]);
    // What is written beside another version is known by its number alone, which nobody authenticates.
    const std::uint64_t unused = highest < last ? highest + 1 : *kept == 1 ? 2 : 1;
    const std::uint64_t next = generation.value_or(unused);
    TRY(write_slot(*disk_, target.file, make(next)));
    return next;
}

Result<void> Store::erase(const ObjectId& id) {
    StoreWitness* const witness = witness_of(id);
    if (witness != nullptr) TRY(witness->announce(id, std::nullopt));
    TRY(wipe_slots(*disk_, slot_files(file_stem(id))));
    return witness != nullptr ? witness->confirm(id) : Result<void>{};
}

}  // namespace lethe
