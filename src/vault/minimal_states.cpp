#include "vault/minimal_states.hpp"

#include <array>
#include <optional>

#include "vault/enrolment_mark.hpp"

namespace lethe {

namespace {

const ObjectId id{ObjectKind::minimal, ""};

constexpr std::size_t half_step_octets = 128;
constexpr std::size_t half_limit_octets = 1024;  // of an index of 2048, which most TPMs have
constexpr std::size_t length_octets = 2;

struct Version {
    std::uint64_t number;  // 0: it is not numbered
    MinimalStates::Relays relays;
};

Secret encode(const Version& version) {
    OctetWriter writer;
    writer.u64(version.number).u8(static_cast<std::uint8_t>(version.relays.size()));
    for (const auto& [name, octets] : version.relays) {
        writer.u8(static_cast<std::uint8_t>(name.size())).raw(as_octets(name));
        writer.u8(static_cast<std::uint8_t>(octets.size())).raw(octets);
    }
    return Secret::copy_of(writer.octets());
}

Result<Version> decode(OctetView payload) {
    OctetReader reader(payload);
    Version version{.number = TRY(reader.u64()), .relays = {}};
    std::string last;
    for (auto left = TRY(reader.u8()); left > 0; --left) {
        const std::string name(as_text(TRY(reader.take(TRY(reader.u8())))));
        TRY(check_relay_name(name));
        if (name <= last) return fail(ErrorKind::corrupt, "relays out of order");
        const OctetView octets = TRY(reader.take(TRY(reader.u8())));
        version.relays.emplace(name, Octets(octets.begin(), octets.end()));
        last = name;
    }
    TRY(reader.end());
    return version;
}

std::size_t slot_octets_for(OctetView object) {
    return (object.size() + length_octets + half_step_octets - 1) / half_step_octets * half_step_octets;
}

Octets slot_with(OctetView object, std::size_t slot_octets) {
    OctetWriter writer;
    writer.sized16(object);
    Octets octets = writer.take();
    octets.resize(slot_octets);  // what was there before goes
    return octets;
}

}  // namespace

struct MinimalStates::Slots {
    std::uint32_t handle = minimal_state_index_handle;
    std::size_t octets = 0;  ///< of one slot; 0: there is no index
    bool written = false;
    std::array<std::optional<ObjectVersion>, 2> versions;
    bool other_is_there = false;  ///< the index at the other handle: power went while it was replaced

    std::size_t newest() const { return generation_in(1) > generation_in(0) ? 1 : 0; }
    std::uint64_t generation() const { return generation_in(newest()); }
    std::uint64_t next_generation() const { return generation() + 1; }
    std::uint32_t other_handle() const {
        return handle == minimal_state_index_handle ? minimal_state_second_handle : minimal_state_index_handle;
    }

private:
    std::uint64_t generation_in(std::size_t slot) const { return versions[slot] ? versions[slot]->generation : 0; }
};

// Both are there when power went while a larger index took the place of the first: the newer one counts.
Result<MinimalStates::Slots> MinimalStates::read_slots() const {
    Slots first = TRY(read_index(minimal_state_index_handle));
    auto second = read_index(minimal_state_second_handle);
    // What is somebody else's there is in nobody's way until the first has to grow.
    if (!second && second.error().kind == ErrorKind::wrong_state) return first;
    if (!second) return std::unexpected(second.error());
    const bool second_counts = second->octets != 0 && (first.octets == 0 || second->generation() > first.generation());
    const bool both = first.octets != 0 && second->octets != 0;
    Slots slots = second_counts ? std::move(*second) : std::move(first);
    slots.other_is_there = both;
    return slots;
}

Result<MinimalStates::Slots> MinimalStates::read_index(std::uint32_t handle) const {
    Slots slots;
    slots.handle = handle;
    const auto area = tpm_->nv_area(handle);
    if (!area && area.error().kind == ErrorKind::not_found) return slots;
    const NvArea found = TRY(area);
    if (!found.plain || found.octets % (2 * half_step_octets) != 0 || found.octets > 2 * half_limit_octets)
        return fail(ErrorKind::wrong_state, "NV index {:#x} is not Lethe's: whose it is has to find it another place", handle);
    slots.octets = found.octets / 2;
    slots.written = found.written;
    if (!found.written) return slots;
    const Octets octets = TRY(tpm_->nv_read(handle));
    for (std::size_t slot = 0; slot < 2; ++slot) {
        OctetReader reader(OctetView(octets).subspan(slot * slots.octets, slots.octets));
        const auto object = reader.sized16();
        if (!object) continue;
        if (auto version = decrypt_object(key_, id, *object)) slots.versions[slot] = std::move(*version);
    }
    return slots;
}

Result<MinimalStates::Relays> MinimalStates::read() {
    const Slots slots = TRY(read_slots());
    if (!slots.written) return fail(ErrorKind::not_found, "the TPM has no minimal state");
    const auto& newest = slots.versions[slots.newest()];
    if (!newest) return fail(ErrorKind::corrupt, "the minimal state in the TPM (NV index {:#x}) is not whole", slots.handle);
    Version version = TRY(decode(newest->payload.expose()));
    if (numbered_) TRY(accept(version.number));
    return std::move(version.relays);
}

Result<void> MinimalStates::accept(std::uint64_t number) {
    const auto count = counter_.value();
    if (!count && count.error().kind == ErrorKind::not_found)
        return fail(
            ErrorKind::rollback,
            "the rollback counter (NV index {:#x}) is gone from the TPM, so that nothing tells whether the bandwidth history there is "
            "the newest; find out who removed it, then run `lethectl state reset`",
            counter_.handle());
    const std::uint64_t counted = TRY(count);
    if (number == counted) return {};
    if (number == counted + 1) return counter_.increment();
    return fail(ErrorKind::rollback,
                "the bandwidth history in the TPM is number {}, and the TPM has counted to {}: an older one was put back; find out who did "
                "it, then run `lethectl state reset`",
                number, counted);
}

bool MinimalStates::fits(const Relays& relays) const {
    return relays.size() <= 0xff && slot_octets_for(encrypt_object(key_, id, 1, encode({0, relays}))) <= half_limit_octets;
}

Result<std::uint64_t> MinimalStates::next_number(const Slots& slots) {
    if (!numbered_) return 0;
    // With an anchor there was a counter (vault/anchor.hpp).
    const bool was_there = slots.written || TRY(index_exists(*tpm_, anchor_handle_));
    const auto count = was_there ? counter_.value() : counter_.value_or_new();
    if (!count && count.error().kind == ErrorKind::not_found)
        return fail(ErrorKind::rollback, "the rollback counter (NV index {:#x}) is gone from the TPM; run `lethectl state reset`",
                    counter_.handle());
    return TRY(count) + 1;
}

Result<void> MinimalStates::write(const Relays& relays) {
    if (!fits(relays))
        return fail(ErrorKind::invalid_argument, "the minimal states of {} relays take more than the {} octets that the TPM is given",
                    relays.size(), half_limit_octets);
    const Slots slots = TRY(read_slots());
    const Version version{TRY(next_number(slots)), relays};
    TRY(write_slot(slots, encrypt_object(key_, id, slots.next_generation(), encode(version))));
    return numbered_ ? counter_.increment() : Result<void>{};
}

Result<void> MinimalStates::write_slot(const Slots& slots, OctetView object) {
    if (slots.other_is_there) TRY(undefine_if_there(*tpm_, slots.other_handle()));
    if (slot_octets_for(object) > slots.octets) return write_larger(slots, object);
    if (!slots.written) return write_both(slots.handle, slots.octets, object);
    const std::size_t target = slots.versions[slots.newest()] ? 1 - slots.newest() : 0;
    return tpm_->nv_write(slots.handle, static_cast<std::uint16_t>(target * slots.octets), slot_with(object, slots.octets));
}

Result<void> MinimalStates::carry_over(const VaultKeys& next) {
    const auto relays = read();
    using enum ErrorKind;
    if (!relays && (relays.error().kind == not_found || relays.error().kind == corrupt)) return {};
    if (!relays && !numbered_ && relays.error().kind == wrong_state) return {};  // somebody else's index
    const Version version{numbered_ ? TRY(RollbackCounter(*tpm_, next).value()) : 0, TRY(relays)};
    const Slots slots = TRY(read_slots());
    const Octets object = encrypt_object(next.kind_key(ObjectKind::minimal), id, 1, encode(version));
    if (slots.other_is_there) TRY(undefine_if_there(*tpm_, slots.other_handle()));
    if (const std::size_t wanted = slot_octets_for(object); wanted > slots.octets) {
        TRY(tpm_->nv_define(slots.other_handle(), static_cast<std::uint16_t>(2 * wanted)));
        return write_both(slots.other_handle(), wanted, object);
    }
    const auto offset = static_cast<std::uint16_t>((1 - slots.newest()) * slots.octets);
    return tpm_->nv_write(slots.handle, offset, slot_with(object, slots.octets));
}

Result<void> MinimalStates::copy_newest() {
    const Slots slots = TRY(read_slots());
    if (!slots.versions[slots.newest()]) return {};
    if (slots.other_is_there) TRY(undefine_if_there(*tpm_, slots.other_handle()));
    if (slots.versions[1 - slots.newest()]) return {};
    const Octets octets = TRY(tpm_->nv_read(slots.handle));
    const auto offset = static_cast<std::uint16_t>((1 - slots.newest()) * slots.octets);
    return tpm_->nv_write(slots.handle, offset, OctetView(octets).subspan(slots.newest() * slots.octets, slots.octets));
}

// The index that is there goes when the larger one has been written, so that there is one whole index whenever power goes.
Result<void> MinimalStates::write_larger(const Slots& slots, OctetView object) {
    const std::size_t wanted = slot_octets_for(object);
    if (2 * wanted > TRY(tpm_->nv_limits()).index_octets)
        return fail(ErrorKind::wrong_state, "an NV index of this TPM has no room for the minimal state of these relays");
    const bool grows = slots.octets != 0;
    const std::uint32_t handle = grows ? slots.other_handle() : slots.handle;
    TRY(tpm_->nv_define(handle, static_cast<std::uint16_t>(2 * wanted)));
    TRY(write_both(handle, wanted, object));
    return grows ? tpm_->nv_undefine(slots.handle) : Result<void>{};
}

// The first write makes both slots, so that what is read later is not undefined.
Result<void> MinimalStates::write_both(std::uint32_t handle, std::size_t slot_octets, OctetView object) {
    Octets both = slot_with(object, slot_octets);
    both.resize(2 * slot_octets);
    return tpm_->nv_write(handle, 0, both);
}

Result<void> MinimalStates::reset() {
    const Slots slots = TRY(read_slots());
    if (slots.other_is_there) TRY(undefine_if_there(*tpm_, slots.other_handle()));
    if (slots.octets != 0) {
        TRY(tpm_->nv_write(slots.handle, 0, Octets(2 * slots.octets)));
        TRY(tpm_->nv_undefine(slots.handle));
    }
    return numbered_ ? counter_.define_anew() : Result<void>{};
}

Result<void> forget_numbered_states(Tpm& tpm) {
    for (const auto handle : {minimal_state_index_handle, minimal_state_second_handle, first_handles.snapshots})
        TRY(undefine_if_there(tpm, handle));
    return undefine_if_there(tpm, second_handles.snapshots);
}

}  // namespace lethe
