#include "vault/rekey.hpp"

#include <algorithm>

#include "vault/enrolment_mark.hpp"
#include "vault/ledger.hpp"
#include "vault/minimal_states.hpp"
#include "vault/slot.hpp"
#include "vault/snapshots.hpp"

namespace lethe {

namespace {

const ObjectId vault_id{ObjectKind::vault, ""}, policy_id{ObjectKind::policy, ""}, policy_copy_id{ObjectKind::policy_copy, ""},
    ledger_id{ObjectKind::ledger, ""}, relays_id{ObjectKind::relays, ""}, recovery_id{ObjectKind::recovery, ""},
    keyring_id{ObjectKind::keyring, ""};

constexpr std::uint16_t policy_index_octets = 34, counter_octets = 8;

/// Whether there is an index as systemd-pcrlock, or counter_define(), makes it.
Result<bool> is_made(Tpm& tpm, std::uint32_t handle, std::uint16_t octets) {
    const auto area = tpm.nv_area(handle);
    if (area) return !area->plain && area->octets == octets;
    if (area.error().kind == ErrorKind::not_found) return false;
    return std::unexpected(area.error());
}

/// What a slot holds; nothing when it is not whole under this key.
Result<std::optional<ObjectVersion>> version_in(const Disk& disk, const std::string& file, const Secret& key, const ObjectId& id) {
    const auto octets = disk.read(file);
    if (!octets && octets.error().kind == ErrorKind::tpm_unavailable) return std::unexpected(octets.error());
    auto version = octets.and_then([&](const Octets& slot) { return decrypt_object(key, id, slot); });
    if (!version) return std::nullopt;
    return std::move(*version);
}

/// The slot without which the present key has all that it needs of an object.
Result<std::string> spare_slot(const Store& store, const Disk& disk, const Secret& key, const ObjectId& id) {
    const auto files = slot_files(file_stem(id));
    const auto needed = store.read(key, id);
    if (!needed) {
        if (needed.error().kind == ErrorKind::tpm_unavailable) return std::unexpected(needed.error());
        return files[0];
    }
    const auto first = TRY(version_in(disk, files[0], key, id));
    return first && first->generation == needed->generation && first->payload == needed->payload ? files[1] : files[0];
}

class Encryption {
public:
    Encryption(Store& store, const VaultKeys& present, const VaultKeys& next) : store_(store), present_(present), next_(next) {}

    /// Writes an object under the new key beside what the present key has of it.
    Result<void> write(const ObjectId& id, std::uint64_t generation, const Secret& payload) {
        const std::string slot = TRY(spare_slot(store_, store_.disk(), present_.kind_key(id.kind), id));
        return write_over_slot(store_.disk(), slot, encrypt_object(next_.kind_key(id.kind), id, generation, payload));
    }

private:
    Store& store_;
    const VaultKeys& present_;
    const VaultKeys& next_;
};

/// The ledger of the generation that begins with the new key.
Result<Secret> next_ledger(const Store& store, const VaultKeys& present, const VaultRecord& record, const Rekeying& to) {
    const Secret payload = TRY(store.read(present.kind_key(ObjectKind::ledger), ledger_id)).payload;
    Ledger ledger = TRY(decode_ledger(payload));
    ledger.rekeyed = ledger.taken_over;
    ledger.entries.clear();
    for (const auto& [id, octets] : to.objects) ledger.entries[id].current = digest_of_payload(octets.expose());
    ledger.entries[vault_id].current = digest_of_payload(encode_vault_record(record));
    return encode_ledger(ledger);
}

Result<std::uint64_t> begin_counting(Tpm& tpm, const VaultKeys& key) {
    TRY(RollbackCounter(tpm, key).define_anew());
    RollbackCounter anchor(tpm, key.handles().anchor, key.anchor_authorisation());
    TRY(anchor.define_anew());
    return anchor.value();
}

/// One write of one slot; torn, it is not there.
Result<void> put_in_force(Store& store, const VaultRecord& record) {
    for (const ObjectVersion& version : TRY(store.read_framed(vault_id))) {
        if (!decode_vault_record(version.payload.expose())) continue;
        const auto written = store.write_framed_beside(vault_id, encode_vault_record(record), version.generation);
        if (written) return {};
        // It may be there for all that.
        const auto found = read_vault_record(store);
        return found && *found == record ? Result<void>{} : std::unexpected(written.error());
    }
    return fail(ErrorKind::corrupt, "the vault record is damaged in both slots");
}

Result<void> encrypt_all(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& present, const NewVault& vault, const Rekeying& to) {
    const std::uint64_t generation = TRY(begin_counting(tpm, vault.key));
    // What may be refused, or needs the most room, comes first.
    if (!in_tpm) TRY(TRY(Snapshots::open(store.disk(), tpm, present)).carry_over(vault.key));
    TRY(MinimalStates(tpm, present, in_tpm).carry_over(vault.key));
    TRY(store.write_framed_beside(policy_id, as_octets(to.policy), to.policy_in_force));
    Encryption encryption(store, present, vault.key);
    for (const auto& [id, payload] : to.objects) TRY(encryption.write(id, generation, payload));
    if (in_tpm) return {};
    TRY(encryption.write(policy_copy_id, 1, Secret::copy_of(as_octets(to.policy))));
    return encryption.write(ledger_id, generation, TRY(next_ledger(store, present, vault.record, to)));
}

/// Fills a slot that is not whole under this key from the one that counts.
Result<void> copy_object(Store& store, const Secret& key, const ObjectId& id) {
    const auto counts = store.read(key, id);
    if (!counts && counts.error().kind == ErrorKind::tpm_unavailable) return std::unexpected(counts.error());
    if (!counts) return {};  // there is none, or nothing to fill it from
    for (const std::string& file : slot_files(file_stem(id))) {
        if (TRY(version_in(store.disk(), file, key, id))) continue;
        TRY(write_over_slot(store.disk(), file, encrypt_object(key, id, counts->generation, counts->payload)));
    }
    return {};
}

/// The same of the vault record.
Result<void> copy_record(Store& store) {
    const auto versions = TRY(store.read_framed(vault_id));
    const auto counts = std::ranges::find_if(
        versions, [](const ObjectVersion& version) { return decode_vault_record(version.payload.expose()).has_value(); });
    if (counts == versions.end()) return {};
    for (const std::string& file : slot_files(file_stem(vault_id))) {
        const auto octets = store.disk().read(file);
        if (!octets && octets.error().kind == ErrorKind::tpm_unavailable) return std::unexpected(octets.error());
        const auto version = octets.and_then([](const Octets& slot) { return unframe_object(vault_id, slot); });
        if (version && version->payload == counts->payload) continue;
        TRY(write_over_slot(store.disk(), file, frame_object(vault_id, counts->generation, counts->payload.expose())));
    }
    return {};
}

/// Wipes what no key that is in force can read of an object that the store does not have.
Result<void> wipe_if_unreadable(Store& store, const Secret& key, const ObjectId& id) {
    const auto found = store.read(key, id);
    if (found || found.error().kind != ErrorKind::corrupt) return {};
    return wipe_slots(store.disk(), slot_files(file_stem(id)));
}

Result<void> settle_objects(Store& store, Tpm& tpm, const VaultKeys& keys) {
    const Secret ledger_key = keys.kind_key(ObjectKind::ledger);
    TRY(copy_object(store, ledger_key, ledger_id));
    const auto ledger =
        store.read(ledger_key, ledger_id).and_then([](const ObjectVersion& version) { return decode_ledger(version.payload); });
    // The store of an earlier release has none, and no new vault key before it has one.
    if (!ledger && ledger.error().kind != ErrorKind::not_found) return std::unexpected(ledger.error());
    std::vector<ObjectId> ids = TRY(store.list(ObjectKind::identity));
    for (const ObjectId& id : {relays_id, recovery_id, policy_copy_id}) ids.push_back(id);
    for (const ObjectId& id : ids) TRY(copy_object(store, keys.kind_key(id.kind), id));
    if (ledger && !ledger->entries.contains(recovery_id)) TRY(wipe_if_unreadable(store, keys.kind_key(ObjectKind::recovery), recovery_id));
    TRY(wipe_if_unreadable(store, keys.kind_key(ObjectKind::policy_copy), policy_copy_id));
    return TRY(Snapshots::open(store.disk(), tpm, keys)).copy_newest();
}

}  // namespace

Result<NewVault> rekey(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& present, VaultKey next, const Rekeying& to) {
    const std::uint32_t index = next.handles().policy;
    NewVault vault = TRY(seal_vault_key(tpm, index, std::move(next)));
    vault.record.recovery = to.recovery.transform([&](const auto& recipient) { return box_vault_key(vault.key, recipient); });
    TRY(encrypt_all(store, in_tpm, tpm, present, vault, to));
    TRY(put_in_force(store, vault.record));
    return vault;
}

Result<bool> is_rekeying(Tpm& tpm, const VaultKeys& in_force) {
    return is_made(tpm, other_than(in_force.handles()).policy, policy_index_octets);
}

Result<void> settle_rekeying(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& in_force) {
    TRY(copy_record(store));
    if (in_tpm) TRY(copy_object(store, in_force.kind_key(ObjectKind::keyring), keyring_id));
    else TRY(settle_objects(store, tpm, in_force));
    TRY(MinimalStates(tpm, in_force, in_tpm).copy_newest());
    const HandleSet other = other_than(in_force.handles());
    for (const auto handle : {other.anchor, other.snapshots})
        if (TRY(is_made(tpm, handle, counter_octets))) TRY(tpm.nv_undefine(handle));
    if (TRY(is_made(tpm, other.policy, policy_index_octets))) TRY(tpm.nv_undefine(other.policy));
    return {};
}

Result<void> expect_free_handles(Tpm& tpm, const VaultKeys& in_force) {
    const HandleSet other = other_than(in_force.handles());
    for (const auto handle : {other.policy, other.snapshots, other.anchor})
        if (TRY(index_exists(tpm, handle)))
            return fail(ErrorKind::wrong_state,
                        "a new vault key needs the NV index {:#x}, which somebody else has; remove it with tpm2_nvundefine if nothing "
                        "needs it",
                        handle);
    return {};
}

}  // namespace lethe
