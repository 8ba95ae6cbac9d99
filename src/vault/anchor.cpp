#include "vault/anchor.hpp"

#include "vault/keyring_stamp.hpp"
#include "vault/slot.hpp"
#include "vault/snapshots.hpp"

namespace lethe {

namespace {

const ObjectId ledger_id{ObjectKind::ledger, ""}, keyring_id{ObjectKind::keyring, ""};

std::string way_out(std::uint64_t generation) {
    return std::format(
        "Put the newest copy of the store back, or, if you know why it is missing, adopt what is there with `lethectl store "
        "accept --generation {}`",
        generation);
}

std::string way_of_recovery(std::uint64_t generation) {
    return std::format("Put the newest copy of the store back, or, if you know why it is older, repeat the command with `--generation {}`",
                       generation);
}

/// 0 as well where another vault's counter is in the place.
Result<std::uint64_t> of_this_vault(const Result<std::uint64_t>& counted) {
    if (!counted && counted.error().kind == ErrorKind::wrong_state) return 0;
    return counted;
}

Error older(const StoreStanding& standing) {
    return {ErrorKind::rollback, std::format("the store is older than this machine: it is generation {}, and the TPM has counted to {}. {}",
                                             standing.generation, standing.counted, way_out(standing.generation))};
}

}  // namespace

Anchor::Anchor(Store& store, bool in_tpm, OpenTpm open_tpm, std::unique_ptr<Tpm> tpm, const VaultKeys& key)
    : Anchor(store, in_tpm, *tpm, key) {
    open_tpm_ = std::move(open_tpm);
    owned_tpm_ = std::move(tpm);
}

Anchor::Anchor(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& key)
    : store_(store),
      in_tpm_(in_tpm),
      tpm_(&tpm),
      handles_(key.handles()),
      is_counted_(key.is_counted()),
      authorisation_(key.anchor_authorisation()),
      counter_authorisation_(key.counter_authorisation()) {
    using enum ObjectKind;
    for (const ObjectKind kind : {ledger, relays, identity, recovery, keyring, state}) keys_.emplace(kind, key.kind_key(kind));
}

Result<RollbackCounter*> Anchor::counter() {
    if (tpm_ == nullptr) {
        owned_tpm_ = TRY(open_tpm_());
        tpm_ = owned_tpm_.get();
    }
    if (!counter_) counter_.emplace(*tpm_, handles_.anchor, Secret::copy_of(authorisation_.expose()));
    return &*counter_;
}

void Anchor::close() {
    counter_.reset();
    if (!owned_tpm_) return;
    tpm_ = nullptr;
    owned_tpm_.reset();
}

Result<Anchor::Slots> Anchor::read_slots() const {
    const ObjectId& id = in_tpm_ ? keyring_id : ledger_id;
    const auto files = slot_files(file_stem(id));
    Slots slots;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        slots[i].file = files[i];
        auto octets = store_.disk().read(files[i]);
        if (!octets && octets.error().kind == ErrorKind::not_found) continue;
        if (!octets && octets.error().kind != ErrorKind::corrupt && octets.error().kind != ErrorKind::io)
            return std::unexpected(octets.error());
        slots[i].exists = true;
        if (!octets) continue;
        auto version = decrypt_object(key_of(id.kind), id, *octets);
        if (!version || (!in_tpm_ && !decode_ledger(version->payload))) continue;
        slots[i].version = std::move(*version);
        octets->resize(object_octets(*octets));
        slots[i].octets = std::move(*octets);
    }
    return slots;
}

// What the TPM has counted; 0 when it has no counter.
Result<std::uint64_t> Anchor::count() {
    auto value = TRY(counter())->value();
    if (value) return value;
    if (value.error().kind == ErrorKind::not_found) return 0;
    if (value.error().kind != ErrorKind::wrong_state) return value;
    return fail(ErrorKind::wrong_state,
                "the counter of the store's generations was redefined: the NV index {:#x} is not the one that Lethe made, so nothing tells "
                "whether the store is the newest. Find out who has had this TPM; then {}",
                handles_.anchor, way_out(standing_.generation));
}

Result<Anchor::Slots> Anchor::look_at_store() {
    Slots slots = TRY(read_slots());
    const auto generation_of = [](const Slot& slot) { return slot.version ? slot.version->generation : 0; };
    newest_ = generation_of(slots[1]) > generation_of(slots[0]) ? 1 : 0;
    standing_.generation = generation_of(slots[newest_]);
    if (!slots[newest_].version) return slots;
    if (in_tpm_) {
        if (const auto stamp = stamp_of_keyring(slots[newest_].version->payload)) {
            standing_.enrolled = stamp->enrolled;
            standing_.taken_over = stamp->taken_over;
        }
        return slots;
    }
    ledger_ = TRY(decode_ledger(slots[newest_].version->payload));
    standing_.enrolled = ledger_.enrolled;
    standing_.taken_over = ledger_.taken_over;
    standing_.rekeyed = ledger_.rekeyed;
    return slots;
}

Result<void> Anchor::expect_no_enrolment(UnderWay mark) const {
    if (mark != UnderWay::enrolment) return {};
    return fail(ErrorKind::wrong_state,
                "an enrolment of this machine was cut and has not come to its end; run `lethectl enroll`, which starts it over");
}

bool has_earlier_key(const StoreStanding& standing) { return standing.awaits_takeover || (standing.taken_over && !standing.rekeyed); }

Result<void> Anchor::open(std::chrono::sys_seconds now, Earlier earlier) {
    const auto compared = compare(now, earlier);
    close();
    return compared;
}

Result<void> Anchor::compare(std::chrono::sys_seconds now, Earlier earlier) {
    fresh_ = unsettled_ = false;
    standing_ = {};
    ledger_ = {};
    TRY(counter());
    const UnderWay mark = TRY(read_mark(*tpm_));
    TRY(expect_no_enrolment(mark));
    const Slots slots = TRY(look_at_store());
    if (TRY(is_announced(mark))) {
        standing_ = {.generation = standing_.generation, .counted = standing_.counted};
        TRY(adopt_next(now));
        return clear_mark(*tpm_);
    }
    if (mark == UnderWay::adoption) {
        if (!is_counted_) return take_over(now);
        TRY(clear_mark(*tpm_));  // used up; or of whoever owns the TPM, and worth nothing
    }
    standing_.counted = TRY(count());
    const bool was_anchored = in_tpm_ ? standing_.enrolled.has_value() : slots[0].exists || slots[1].exists;
    if (standing_.counted == 0 && !was_anchored && !is_counted_) {
        standing_.awaits_takeover = !in_tpm_ && earlier == Earlier::stays;
        return standing_.awaits_takeover ? Result<void>() : take_over(now);
    }
    return open_by_count(standing_.counted, slots);
}

Result<void> Anchor::open_by_count(std::uint64_t count, const Slots& slots) {
    if (count == 0)
        return fail(ErrorKind::rollback,
                    "the counter of the store's generations (NV index {:#x}) is gone from the TPM, so nothing tells whether the store is "
                    "the newest. Find out who removed it; then {}",
                    handles_.anchor, way_out(standing_.generation));
    const std::string what = in_tpm_ ? "keyring" : "ledger";
    if (!slots[0].exists && !slots[1].exists)
        return fail(ErrorKind::rollback, "the store has lost its {}, and the TPM has counted to {}. {}", what, count, way_out(0));
    if (standing_.generation == 0)
        return fail(ErrorKind::corrupt, "{}/{}: the {} is damaged in every slot. {}", store_.place(), slots[0].file, what, way_out(0));
    if (standing_.generation != count && standing_.generation != count + 1) return std::unexpected(older(standing_));
    if (standing_.generation == count + 1) {
        TRY(TRY(counter())->increment());  // written and not counted: before anything else happens
        standing_.counted = count + 1;
    }
    fresh_ = true;
    if (in_tpm_) return {};
    resolve();
    const auto entry = ledger_.entries.find({ObjectKind::vault, ""});
    if (const auto vault = TRY(vault_digest()); entry == ledger_.entries.end() || !entry->second.admits(vault)) {
        fresh_ = false;
        return fail(ErrorKind::rollback,
                    "the vault record is older than this machine: it was put back from earlier, or the newest is damaged. {}",
                    way_out(standing_.generation));
    }
    (void)settle();  // the store is the newest; what a failing disk does not take now, the next announcement writes
    return {};
}

Result<bool> Anchor::is_announced(UnderWay mark) {
    if (mark != UnderWay::adoption) return false;
    standing_.counted = TRY(of_this_vault(count()));
    return standing_.counted != 0 && TRY(read_adoption_proof(*tpm_)) == prove_adoption(authorisation_, standing_.counted);
}

Result<void> Anchor::expect_newest(std::optional<std::uint64_t> accepted) {
    TRY(look_at_store());
    if (accepted && *accepted != standing_.generation)
        return fail(ErrorKind::invalid_argument, "this store is generation {}, not {}: nothing was changed", standing_.generation,
                    *accepted);
    TRY(counter());
    if (accepted || TRY(is_announced(TRY(read_mark(*tpm_))))) return {};
    const auto counted = count();
    if (!counted && counted.error().kind != ErrorKind::wrong_state) return std::unexpected(counted.error());
    standing_.counted = counted.value_or(0);
    if (standing_.counted != 0) return expect_counted();
    // The key of before the last has the same handles as the present one.
    const std::uint32_t others = counted ? other_than(handles_).anchor : handles_.anchor;
    if (!TRY(index_exists(*tpm_, others))) return {};
    return fail(
        ErrorKind::rollback,
        "the store is of another vault key than the one that this TPM counts for (NV index {:#x}): it may be older than the key. {}",
        others, way_of_recovery(standing_.generation));
}

// announce_adoption() makes the snapshots' counter last: power went before that, and nothing has been counted. Whoever can remove it could
// remove the other one as well.
Result<void> Anchor::expect_counted() {
    if (!TRY(index_exists(*tpm_, handles_.snapshots))) return {};
    if (standing_.generation < standing_.counted)
        return fail(ErrorKind::rollback, "the store is older than this machine: it is generation {}, and the TPM has counted to {}. {}",
                    standing_.generation, standing_.counted, way_of_recovery(standing_.generation));
    if (in_tpm_) return {};
    const auto older = TRY(older_objects());
    if (older.empty()) return {};
    return fail(ErrorKind::rollback, "{} in the store is older than the store's ledger, generation {}: it was put back from earlier. {}",
                older.front(), standing_.generation, way_of_recovery(standing_.generation));
}

Result<void> Anchor::announce_adoption() {
    TRY(look_at_store());
    standing_.counted = TRY(of_this_vault(count()));
    fresh_ = false;
    if (standing_.counted == 0) TRY(renew_counter());
    TRY(set_adoption(*tpm_, prove_adoption(authorisation_, standing_.counted)));
    if (!in_tpm_) TRY(snapshots().take_over());
    return begin_snapshots();
}

// The mark says of a key that is not counted what nobody could prove: that a cut may have left a counter without a ledger.
Result<void> Anchor::take_over(std::chrono::sys_seconds now) {
    if (in_tpm_) TRY(store_.read(key_of(ObjectKind::keyring), keyring_id));  // what is damaged cannot be numbered
    standing_.awaits_takeover = false;
    if (!standing_.enrolled) standing_.taken_over = true;
    TRY(set_mark(*tpm_, UnderWay::adoption));
    TRY(begin_counting(now));
    return clear_mark(*tpm_);
}

Result<void> Anchor::make(std::chrono::sys_seconds now) {
    TRY(look_at_store());
    standing_.enrolled.reset();
    standing_.taken_over = standing_.rekeyed = false;
    return begin_counting(now);
}

Result<void> Anchor::begin_counting(std::chrono::sys_seconds now) {
    TRY(renew_counter());
    TRY(begin_snapshots());
    return adopt(standing_.counted, now);
}

Result<void> Anchor::renew_counter() {
    fresh_ = false;
    RollbackCounter& anchor = *TRY(counter());
    TRY(anchor.define_anew());
    standing_.counted = TRY(anchor.value());
    // What was written in the TPM before has numbers that are not the counter's.
    for (const std::uint64_t before = in_tpm_ ? standing_.generation : 0; standing_.counted <= before; ++standing_.counted)
        TRY(anchor.increment());
    return {};
}

Snapshots Anchor::snapshots() const {
    const auto copy_of = [](const Secret& secret) { return Secret::copy_of(secret.expose()); };
    return {store_.disk(), *tpm_, copy_of(key_of(ObjectKind::state)), copy_of(counter_authorisation_), handles_};
}

// With the anchor there, snapshots or a counter of theirs that are missing were removed.
Result<void> Anchor::begin_snapshots() {
    if (!in_tpm_) return snapshots().begin();
    RollbackCounter counter(*tpm_, handles_.snapshots, Secret::copy_of(counter_authorisation_.expose()));
    if (TRY(counter.is_missing())) TRY(counter.value_or_new());
    return {};
}

Result<void> Anchor::accept(std::uint64_t generation, std::chrono::sys_seconds now) {
    const auto opened = open(now, Earlier::stays);
    using enum ErrorKind;
    if (!opened && opened.error().kind != rollback && opened.error().kind != corrupt && opened.error().kind != wrong_state) return opened;
    TRY(counter());
    TRY(expect_no_enrolment(TRY(read_mark(*tpm_))));
    if (generation != standing_.generation)
        return fail(invalid_argument, "this store is generation {}, not {}: nothing has been adopted", standing_.generation, generation);
    standing_.counted = TRY(of_this_vault(count()));
    if (standing_.counted == 0 && !standing_.enrolled) standing_.taken_over = true;
    standing_.awaits_takeover = false;
    const auto adopted = standing_.counted == 0 ? begin_counting(now) : adopt_next(now);
    close();
    return adopted;
}

// After a failure it is not known what the store and the TPM have come to.
Result<void> Anchor::refresh() {
    if (fresh_) return {};
    TRY(look_at_store());
    standing_.counted = TRY(count());
    const std::uint64_t generation = standing_.generation, counted = standing_.counted;
    if (counted == 0 || (generation != counted && generation != counted + 1)) return std::unexpected(older(standing_));
    if (generation == counted + 1) TRY(TRY(counter())->increment());
    standing_.counted = generation;
    fresh_ = true;
    if (!in_tpm_) resolve();
    return {};
}

Result<void> Anchor::write_next(const Ledger& next) {
    const std::uint64_t generation = standing_.generation + 1;
    const std::size_t target = 1 - newest_;
    fresh_ = false;
    TRY(write_slot(store_.disk(), slot_files(file_stem(ledger_id))[target],
                   encrypt_object(key_of(ObjectKind::ledger), ledger_id, generation, encode_ledger(next))));
    TRY(TRY(counter())->increment());
    ledger_ = next;
    newest_ = target;
    standing_.generation = standing_.counted = generation;
    fresh_ = true;
    unsettled_ = false;
    return {};
}

// Two copies are there to survive one damage.
Result<void> Anchor::write_copy() {
    const Slots slots = TRY(read_slots());
    if (slots[0].octets == slots[1].octets || !slots[newest_].version || slots[newest_].version->generation != standing_.generation)
        return {};
    return write_slot(store_.disk(), slots[1 - newest_].file, slots[newest_].octets);
}

Result<void> Anchor::settle() {
    auto settled = [&] -> Result<void> {
        if (in_tpm_ || !fresh_) return {};
        if (unsettled_) TRY(write_next(ledger_));
        return write_copy();
    }();
    close();
    return settled;
}

}  // namespace lethe
