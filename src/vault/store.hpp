#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "base/disk.hpp"
#include "vault/object.hpp"

namespace lethe {

/// Knows which versions of the objects are this machine's, and is told before one changes (vault/anchor.hpp).
class StoreWitness {
public:
    virtual ~StoreWitness() = default;

    /// Whether it looks after objects of this kind. All that follows is of those.
    virtual bool knows(ObjectKind kind) const = 0;

    /// Whether a whole version of an object is one that may be there.
    virtual bool accepts(const ObjectId& id, const ObjectVersion& version) const = 0;
    /// What is wrong when an object is not there at all; nothing when that may be.
    virtual std::optional<Error> objection_to_absence(const ObjectId& id) const = 0;

    /// Told before an object is written, or erased when there is no payload. An error says that nothing may be written.
    /// @return the generation that it has to be written with; nothing: the next one.
    virtual Result<std::optional<std::uint64_t>> announce(const ObjectId& id, const std::optional<OctetView>& payload) = 0;
    /// Told when that has been done.
    virtual Result<void> confirm(const ObjectId& id) = 0;
};

/// Two slots, NAME.a and NAME.b, of each object, on a disk. Works on FAT: relies on no rename.
///
/// A write goes to the slot that is not the newest, is synced and read back; whenever power goes, the newest or the one before it is there.
/// Slots are written in place and never shrink, so that after the first two writes an object's clusters stay where they are: a FAT that is
/// cut while chains are freed and allocated anew can end with two files on one chain.
class Store {
public:
    /// @error not_found  no such directory: the store's file system is not mounted.
    static Result<Store> open(const std::filesystem::path& directory);
    explicit Store(std::unique_ptr<Disk> disk) : disk_(std::move(disk)) {}

    /// From now on the witness is asked about each version that is read of an encrypted object, and told of every change. It refers to this
    /// store, which stays where it is.
    void watch(std::shared_ptr<StoreWitness> witness) { witness_ = std::move(witness); }

    /// For messages: where a person finds it.
    std::string place() const { return disk_->place(); }

    /// Where its slots lie, for what is kept beside its objects (vault/snapshots.hpp). Lives as long as the store.
    Disk& disk() { return *disk_; }

    /// The ids of `kind` with at least one slot file, in order of name.
    Result<std::vector<ObjectId>> list(ObjectKind kind) const;

    /// Whether a slot file of the object exists, readable or not.
    Result<bool> exists(const ObjectId& id) const;

    /// Reads an encrypted object: the newest slot that authenticates and that the witness accepts.
    /// @error not_found  neither slot exists.
    /// @error corrupt    a slot exists, and none authenticates.
    /// @error rollback   those that authenticate are none of this machine's; or neither exists, and there has to be one.
    Result<ObjectVersion> read(const Secret& key, const ObjectId& id) const;

    /// Writes the next generation of an encrypted object and returns its number. With a witness, into both slots, one after the other: what
    /// was there before would not be accepted any more, and damage to one slot would cost the object.
    /// @error corrupt  slots exist and none authenticates: what they held may still be recovered, so they are not overwritten.
    Result<std::uint64_t> write(const Secret& key, const ObjectId& id, const Secret& payload);

    /// The same for a public object (vault, policy). `read_framed` gives every slot that is whole, newest first.
    Result<std::vector<ObjectVersion>> read_framed(const ObjectId& id) const;
    Result<std::uint64_t> write_framed(const ObjectId& id, OctetView payload);
    /// As write_framed(), but leaves the slot with this generation alone, whether or not it is the newest: what is in force is not written
    /// over by what may come. @error not_found  no slot has it.
    Result<std::uint64_t> write_framed_beside(const ObjectId& id, OctetView payload, std::uint64_t kept);

    /// Overwrites both slots with zeros, syncs, and removes them. Nothing to do when there are none.
    Result<void> erase(const ObjectId& id);

private:
    using Opener = std::function<Result<ObjectVersion>(OctetView)>;
    using Maker = std::function<Octets(std::uint64_t generation)>;
    struct Slot;

    Result<std::array<Slot, 2>> read_slots(const ObjectId& id, const Opener& open) const;
    StoreWitness* witness_of(const ObjectId& id) const { return witness_ && witness_->knows(id.kind) ? witness_.get() : nullptr; }
    Result<std::uint64_t> write_watched(const ObjectId& id, OctetView payload, const Opener& open, const Maker& make);
    Result<std::uint64_t> write_next(const ObjectId& id, const Opener& open, const Maker& make, std::optional<std::uint64_t> kept = {},
                                     std::optional<std::uint64_t> generation = {});
    /// The whole slot with the highest generation that the witness accepts.
    const Slot* newest_of(const ObjectId& id, const std::array<Slot, 2>& slots) const;
    std::string path_of(const std::string& file) const { return place() + "/" + file; }

    std::unique_ptr<Disk> disk_;
    std::shared_ptr<StoreWitness> witness_;
};

}  // namespace lethe
