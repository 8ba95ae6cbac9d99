// What the anchor of a store on a disk knows of its objects.
#include <algorithm>
#include <ranges>

#include "vault/anchor.hpp"
#include "vault/keyring_stamp.hpp"
#include "vault/slot.hpp"
#include "vault/vault.hpp"

namespace lethe {

namespace {

const ObjectId ledger_id{ObjectKind::ledger, ""}, keyring_id{ObjectKind::keyring, ""}, vault_id{ObjectKind::vault, ""};

// The one that read_vault_record() takes.
std::optional<ObjectDigest> digest_of_record(const std::vector<ObjectVersion>& versions) {
    for (const ObjectVersion& version : versions)
        if (decode_vault_record(version.payload.expose())) return digest_of_payload(version.payload.expose());
    return std::nullopt;
}

}  // namespace

Result<std::optional<ObjectDigest>> Anchor::vault_digest() const { return digest_of_record(TRY(store_.read_framed(vault_id))); }

/// Of the version that a reader would take.
Result<std::optional<ObjectDigest>> Anchor::present_digest(const ObjectId& id) const {
    if (id.kind == ObjectKind::vault) return vault_digest();
    const auto version = store_.read(key_of(id.kind), id);
    if (version) return digest_of_payload(version->payload.expose());
    if (version.error().kind == ErrorKind::not_found) return std::nullopt;
    return std::unexpected(version.error());
}

Result<std::vector<ObjectId>> Anchor::objects_of_store() const {
    std::vector<ObjectId> ids{vault_id, {ObjectKind::relays, ""}, {ObjectKind::recovery, ""}};
    std::ranges::copy(TRY(store_.list(ObjectKind::identity)), std::back_inserter(ids));
    return ids;
}

// The record aside, which a re-enrolment replaces, and which holds the same vault key as long as that opens the rest.
Result<std::vector<std::string>> Anchor::older_objects() const {
    std::vector<std::string> older;
    for (const ObjectId& id : TRY(objects_of_store())) {
        if (id == vault_id) continue;
        const auto present = present_digest(id);
        if (!present && present.error().kind != ErrorKind::corrupt) return std::unexpected(present.error());
        if (!present || !*present) continue;
        const auto entry = ledger_.entries.find(id);
        if (entry == ledger_.entries.end() || !entry->second.admits(*present)) older.push_back(file_stem(id));
    }
    return older;
}

Result<Ledger> Anchor::ledger_of_store(std::chrono::sys_seconds now) const {
    Ledger ledger{.enrolled = standing_.enrolled.value_or(now),
                  .taken_over = standing_.taken_over,
                  .rekeyed = standing_.taken_over && standing_.rekeyed};
    for (const ObjectId& id : TRY(objects_of_store())) {
        const auto digest = present_digest(id);
        if (!digest && digest.error().kind != ErrorKind::corrupt) return std::unexpected(digest.error());
        if (digest && *digest) ledger.entries[id].current = *digest;
    }
    return ledger;
}

ObjectStanding Anchor::standing_of(const ObjectId& id) const {
    const auto entry = ledger_.entries.find(id);
    const auto present = present_digest(id);
    if (!present) return present.error().kind == ErrorKind::rollback ? ObjectStanding::older : ObjectStanding::damaged;
    if (!*present) return ObjectStanding::missing;
    if (entry != ledger_.entries.end() && !entry->second.admits(*present)) return ObjectStanding::older;
    return entry != ledger_.entries.end() && entry->second.changes ? ObjectStanding::changing : ObjectStanding::current;
}

std::map<std::string, ObjectStanding> Anchor::objects() const {
    std::map<std::string, ObjectStanding> objects;
    if (in_tpm_) objects.emplace(file_stem(keyring_id), standing_of(keyring_id));
    for (const auto& id : ledger_.entries | std::views::keys) objects.emplace(file_stem(id), standing_of(id));
    return objects;
}

std::string_view name_of(ObjectStanding standing) {
    switch (standing) {
        case ObjectStanding::current:
            return "current";
        case ObjectStanding::changing:
            return "changing";
        case ObjectStanding::older:
            return "older";
        case ObjectStanding::missing:
            return "missing";
        case ObjectStanding::damaged:
            return "damaged";
    }
    std::unreachable();
}

// Which of two versions is there, of each object whose change was announced: the other one is not admitted any more. What cannot be read
// stays as it is.
void Anchor::resolve() {
    for (auto& [id, entry] : ledger_.entries) {
        if (!entry.changes) continue;
        const bool absent = !store_.exists(id).value_or(true);
        const auto present = absent ? Result<std::optional<ObjectDigest>>(std::nullopt) : present_digest(id);
        if (!present || !entry.admits(*present)) continue;
        entry = {.current = *present};
        unsettled_ = true;
    }
    std::erase_if(ledger_.entries, [](const auto& entry) { return entry.second == Ledger::Entry{}; });
}

// The number is in the TPM, or will be; a cut leaves what the caller's mark, or the number, tells from it.
Result<void> Anchor::adopt(std::uint64_t generation, std::chrono::sys_seconds now) {
    const ObjectId& id = in_tpm_ ? keyring_id : ledger_id;
    Secret payload;
    if (in_tpm_) {
        const auto enrolled = std::chrono::floor<std::chrono::minutes>(standing_.enrolled.value_or(now));
        payload = stamped_keyring(TRY(store_.read(key_of(id.kind), id)).payload, {enrolled, standing_.taken_over});
        standing_.enrolled = enrolled;
    } else {
        payload = encode_ledger(ledger_ = TRY(ledger_of_store(now)));
    }
    const Octets slot = encrypt_object(key_of(id.kind), id, generation, payload);
    for (const std::size_t i : {1 - newest_, newest_}) TRY(write_slot(store_.disk(), slot_files(file_stem(id))[i], slot));
    standing_.generation = generation;
    if (!in_tpm_) standing_.enrolled = ledger_.enrolled;
    fresh_ = true;
    unsettled_ = false;
    return {};
}

Result<void> Anchor::adopt_next(std::chrono::sys_seconds now) {
    const std::uint64_t next = standing_.counted + 1;
    TRY(adopt(next, now));
    fresh_ = false;
    TRY(TRY(counter())->increment());
    standing_.counted = next;
    fresh_ = true;
    return {};
}

bool Anchor::knows(ObjectKind kind) const { return in_tpm_ ? kind == ObjectKind::keyring : is_in_ledger(kind); }

bool Anchor::accepts(const ObjectId& id, const ObjectVersion& version) const {
    if (in_tpm_) return version.generation == standing_.generation;
    const auto entry = ledger_.entries.find(id);
    return entry != ledger_.entries.end() && entry->second.admits(digest_of_payload(version.payload.expose()));
}

// A relay without its identity is that relay's misfortune, and its reader says so.
std::optional<Error> Anchor::objection_to_absence(const ObjectId& id) const {
    const auto entry = ledger_.entries.find(id);
    const bool may_be_absent = !in_tpm_ && (entry == ledger_.entries.end() || entry->second.admits(std::nullopt));
    if (id.kind == ObjectKind::identity || may_be_absent) return std::nullopt;
    return Error{ErrorKind::rollback,
                 std::format("{} is gone from {}. Put it back from the newest copy of the store, or adopt the store without it with "
                             "`lethectl store accept --generation {}`",
                             file_stem(id), store_.place(), standing_.generation)};
}

Result<std::optional<std::uint64_t>> Anchor::announce(const ObjectId& id, const std::optional<OctetView>& payload) {
    TRY(refresh());
    if (in_tpm_) return standing_.generation + 1;
    const auto digest = payload.transform(digest_of_payload);
    if (const auto found = ledger_.entries.find(id);
        found != ledger_.entries.end() && found->second.changes && found->second.next != digest)
        resolve();  // what was announced before has failed
    Ledger next = ledger_;
    auto& entry = next.entries[id];
    if (entry.changes ? entry.next == digest : entry.current == digest) return std::nullopt;  // the other copy, or once more
    entry.changes = true;
    entry.next = digest;
    TRY(write_next(next));
    return std::nullopt;
}

Result<void> Anchor::confirm(const ObjectId& id) {
    if (in_tpm_) {
        fresh_ = false;
        TRY(TRY(counter())->increment());
        ++standing_.generation;
        standing_.counted = standing_.generation;
        fresh_ = true;
        return {};
    }
    const auto entry = ledger_.entries.find(id);
    if (entry == ledger_.entries.end() || !entry->second.changes) return {};
    const auto now = entry->second.next;
    if (now) entry->second = {.current = now};
    else ledger_.entries.erase(entry);
    unsettled_ = true;
    return {};
}

}  // namespace lethe
