#pragma once

#include "vault/enrolment_mark.hpp"
#include "vault/ledger.hpp"
#include "vault/open_store.hpp"
#include "vault/rollback_counter.hpp"

namespace lethe {

class Snapshots;

/// How old a store is, as far as that is known.
struct StoreStanding {
    std::uint64_t generation = 0;  ///< that the store says of itself; 0: it says nothing
    std::uint64_t counted = 0;     ///< by the TPM; 0: it has no counter, or another one
    std::optional<std::chrono::sys_seconds> enrolled{};
    bool taken_over = false;       ///< from a release that kept no ledger; `enrolled` says when
    bool rekeyed = false;          ///< and has had a new vault key since; told of a store on a disk
    bool awaits_takeover = false;  ///< as an earlier release has left it, which may come back
    bool operator==(const StoreStanding&) const = default;
};

/// Whether the vault key is one that an earlier release has made: its policy is written with systemd-pcrlock's own PIN.
bool has_earlier_key(const StoreStanding& standing);

/// What becomes of a store from before there were anchors. One on a disk that was taken over accepts nothing that an earlier release
/// changes later.
enum class Earlier { is_taken_over, stays };

/// How an object is that the ledger lists.
enum class ObjectStanding {
    current,
    changing,  ///< a change of it was cut, and has not come to its end
    older,     ///< it was put back from earlier
    missing,
    damaged,
};
std::string_view name_of(ObjectStanding standing);

/// Holds the store to this machine: a counter in the TPM (HandleSet::anchor) numbers the generations of everything in it that is not a
/// snapshot, so that an older store, or a part of one, is refused when it is put back.
///
/// On a disk the ledger (vault/ledger.hpp) says what belongs to a generation. It is written ahead: a change of an object writes the next
/// ledger, which admits both of its versions, and counts it; then the object is written. settle() writes one that admits the new version
/// alone. So at any instant the store is whole, and the ledger has the TPM's number, or the one after it, which is counted before anything
/// else happens. In the TPM, where octets are few, the one object `keyring` carries the number itself.
///
/// Borrows the store, which is to be watched by it once open() has succeeded. Opens the TPM when it needs it, and closes it in settle().
/// One of these at a time.
class Anchor final : public StoreWitness {
public:
    /// @param tpm  is used until settle().
    Anchor(Store& store, bool in_tpm, OpenTpm open_tpm, std::unique_ptr<Tpm> tpm, const VaultKeys& key);
    /// With a TPM that is borrowed for as long as this lives.
    Anchor(Store& store, bool in_tpm, Tpm& tpm, const VaultKeys& key);

    /// Compares the store with what the TPM has counted, or adopts it when that was announced. A store from before there were anchors is
    /// taken over: its ledger is written from what is there. One that stays as it is is not to be watched.
    ///
    /// @param now      when that is, if it happens.
    /// @param earlier  of a store on a disk.
    /// @error rollback     the store is older than this machine, or its ledger or the counter is gone; of a key that is_counted(), both.
    /// @error corrupt      the ledger is damaged in both slots.
    /// @error wrong_state  the counter was redefined; or an enrolment has not come to its end.
    Result<void> open(std::chrono::sys_seconds now, Earlier earlier = Earlier::is_taken_over);

    /// Makes the anchor of a store that is at hand, under a new counter: the last step of an enrolment. A mark in the TPM has to be set
    /// before, since this can be cut (vault/enrolment_mark.hpp), and may go after it.
    Result<void> make(std::chrono::sys_seconds now);

    /// Whether the store is the newest that this TPM has counted, for a re-enrolment, before which the vault does not open. Writes nothing.
    /// A TPM that has no counter of this vault's tells nothing; nor does one whose adoption is announced, or was cut just before that.
    ///
    /// @param accepted  the store's generation, from an operator who knows why it is older.
    /// @error rollback          it is older, or an object in it is; or this TPM counts for another key than that of the store's record.
    /// @error invalid_argument  `accepted` is not its generation.
    Result<void> expect_newest(std::optional<std::uint64_t> accepted);

    /// Announces that the store is adopted as it is when it is opened next, once, and by nobody else's word: marks the counter's value in
    /// the TPM (vault/enrolment_mark.hpp). A re-enrolment does so before it seals the vault key. A counter of this vault's stays as it is,
    /// so that an older store is refused as before when this is undone. Where there is none, it is made, and after the mark the counter of
    /// the snapshots, which are taken over: until that is there, expect_newest() has nothing to compare with.
    Result<void> announce_adoption();

    /// Adopts the store as it is under the next generation, for an operator who knows why it is older. What is damaged stays out.
    /// @param generation  the store's, as standing() has it after open() has failed.
    /// @error invalid_argument  that is not its generation.
    Result<void> accept(std::uint64_t generation, std::chrono::sys_seconds now);

    /// Brings what was announced to its end, makes both copies of the ledger the same, and closes the TPM. After an error it is done by the
    /// next announcement, or by the next open().
    Result<void> settle();

    const StoreStanding& standing() const { return standing_; }
    /// By the stems of their files. In the TPM there is one, `keyring`.
    std::map<std::string, ObjectStanding> objects() const;

    bool knows(ObjectKind kind) const override;
    bool accepts(const ObjectId& id, const ObjectVersion& version) const override;
    std::optional<Error> objection_to_absence(const ObjectId& id) const override;
    Result<std::optional<std::uint64_t>> announce(const ObjectId& id, const std::optional<OctetView>& payload) override;
    Result<void> confirm(const ObjectId& id) override;

private:
    struct Slot {
        std::string file;
        bool exists = false;
        std::optional<ObjectVersion> version;
        Octets octets{};  ///< when it is whole
    };
    using Slots = std::array<Slot, 2>;

    // anchor.cpp
    Result<RollbackCounter*> counter();
    void close();
    Result<Slots> read_slots() const;
    Result<Slots> look_at_store();
    Result<void> expect_no_enrolment(UnderWay mark) const;
    Result<void> compare(std::chrono::sys_seconds now, Earlier earlier);
    Result<std::uint64_t> count();
    Result<void> open_by_count(std::uint64_t count, const Slots& slots);
    Result<bool> is_announced(UnderWay mark);
    Result<void> take_over(std::chrono::sys_seconds now);
    Result<void> renew_counter();
    Result<void> begin_counting(std::chrono::sys_seconds now);
    Snapshots snapshots() const;
    Result<void> begin_snapshots();
    Result<void> expect_counted();
    Result<void> refresh();
    Result<void> write_next(const Ledger& next);
    Result<void> write_copy();
    const Secret& key_of(ObjectKind kind) const { return keys_.at(kind); }

    // anchor_ledger.cpp
    Result<std::vector<ObjectId>> objects_of_store() const;
    Result<std::vector<std::string>> older_objects() const;
    Result<Ledger> ledger_of_store(std::chrono::sys_seconds now) const;
    Result<std::optional<ObjectDigest>> present_digest(const ObjectId& id) const;
    Result<std::optional<ObjectDigest>> vault_digest() const;
    ObjectStanding standing_of(const ObjectId& id) const;
    void resolve();
    Result<void> adopt(std::uint64_t generation, std::chrono::sys_seconds now);
    Result<void> adopt_next(std::chrono::sys_seconds now);

    Store& store_;
    bool in_tpm_;
    OpenTpm open_tpm_;
    std::unique_ptr<Tpm> owned_tpm_;
    Tpm* tpm_;  ///< none: it is opened when it is needed
    HandleSet handles_;
    bool is_counted_;  ///< VaultKeys::is_counted()
    Secret authorisation_, counter_authorisation_;
    std::map<ObjectKind, Secret> keys_;
    std::optional<RollbackCounter> counter_;  ///< ends before the TPM
    StoreStanding standing_;
    Ledger ledger_{};
    bool fresh_ = false;      ///< ledger_ and standing_ are what store and TPM say
    bool unsettled_ = false;  ///< ledger_ admits less than the one that is written
    std::size_t newest_ = 0;  ///< the slot that has it
};

}  // namespace lethe
