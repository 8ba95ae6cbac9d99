#include "vault/store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace lethe {

namespace {

constexpr std::size_t slot_limit_octets = payload_limit_octets + (1 << 20);
constexpr std::size_t slot_granularity_octets = 4096;

Result<void> sync_fd(int fd, std::string_view what) {
    if (fsync(fd) != 0) return fail_errno(errno, what);
    return {};
}

// Writes from the start of the file and leaves it at least as long as it was.
Result<void> overwrite(int fd, OctetView octets, const std::string& file) {
    if (lseek(fd, 0, SEEK_SET) != 0) return fail_errno(errno, file);
    if (auto written = write_all(fd, octets); !written) return in_context(written.error(), file);
    return sync_fd(fd, file);
}

Result<std::size_t> size_of(int fd, const std::string& file) {
    struct stat status{};
    if (fstat(fd, &status) != 0) return fail_errno(errno, file);
    return static_cast<std::size_t>(status.st_size);
}

}  // namespace

struct Store::Slot {
    std::string file;
    bool exists = false;
    std::optional<ObjectVersion> version;  // when it is whole
    std::string damage;                    // when it exists and is not
};

Result<Store> Store::open(const std::filesystem::path& directory) {
    auto fd = open_file(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    if (!fd) return in_context(fd.error(), "cannot open the store (is its file system mounted?)");
    return Store(std::move(*fd), directory);
}

Result<std::vector<ObjectId>> Store::list(ObjectKind kind) const {
    const int copy = openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return fail_errno(errno, path_.native());
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(copy), closedir);
    if (!entries) return fail_errno(errno, path_.native());
    const std::string prefix = file_stem({kind, ""});
    std::vector<ObjectId> ids;
    while (const dirent* entry = readdir(entries.get())) {
        const std::string_view file = entry->d_name;
        if (!file.starts_with(prefix) || !(file.ends_with(".a") || file.ends_with(".b"))) continue;
        ObjectId id{kind, std::string(file.substr(prefix.size(), file.size() - prefix.size() - 2))};
        const bool is_named = kind == ObjectKind::identity;
        if (is_named != check_relay_name(id.name).has_value()) continue;  // somebody else's file
        ids.push_back(std::move(id));
    }
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    return ids;
}

Result<bool> Store::exists(const ObjectId& id) const {
    for (const char* suffix : {".a", ".b"}) {
        struct stat status{};
        if (fstatat(directory_.get(), (file_stem(id) + suffix).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
        if (errno != ENOENT) return fail_errno(errno, path_.native());
    }
    return false;
}

Result<std::array<Store::Slot, 2>> Store::read_slots(const ObjectId& id, const Opener& open) const {
    std::array<Slot, 2> slots;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        Slot& slot = slots[i];
        slot.file = file_stem(id) + (i == 0 ? ".a" : ".b");
        auto octets = read_file(directory_.get(), slot.file, slot_limit_octets);
        if (!octets && octets.error().kind == ErrorKind::not_found) continue;
        slot.exists = true;
        auto version = octets.and_then(open);
        if (version) slot.version = std::move(*version);
        else slot.damage = version.error().message;
    }
    return slots;
}

Result<ObjectVersion> Store::read(const Secret& key, const ObjectId& id) const {
    auto slots = TRY(read_slots(id, [&](OctetView octets) { return decrypt_object(key, id, octets); }));
    auto newest = std::ranges::max_element(slots, {}, [](const Slot& slot) { return slot.version ? slot.version->generation : 0; });
    const Slot& other = slots[newest == slots.begin() ? 1 : 0];
    if (newest->version) {
        newest->version->other_slot_damaged = other.exists && !other.version;
        return std::move(*newest->version);
    }
    if (!slots[0].exists && !slots[1].exists) return fail(ErrorKind::not_found, "{} is not in the store {}", file_stem(id), path_.native());
    const Slot& damaged = slots[0].exists ? slots[0] : slots[1];
    return fail(ErrorKind::corrupt, "{}: {}; no slot is whole, put it back from a copy of the store", (path_ / damaged.file).native(),
                damaged.damage);
}

Result<std::vector<ObjectVersion>> Store::read_framed(const ObjectId& id) const {
    auto slots = TRY(read_slots(id, [&](OctetView octets) { return unframe_object(id, octets); }));
    std::vector<ObjectVersion> versions;
    for (Slot& slot : slots)
        if (slot.version) versions.push_back(std::move(*slot.version));
    std::ranges::sort(versions, std::ranges::greater{}, &ObjectVersion::generation);
    return versions;
}

Result<std::uint64_t> Store::write(const Secret& key, const ObjectId& id, const Secret& payload) {
    if (payload.size() > payload_limit_octets)
        return fail(ErrorKind::invalid_argument, "{}: {} octets are more than an object may have", file_stem(id), payload.size());
    return write_next(
        id, [&](OctetView octets) { return decrypt_object(key, id, octets); },
        [&](std::uint64_t generation) { return encrypt_object(key, id, generation, payload); });
}

Result<std::uint64_t> Store::write_framed(const ObjectId& id, OctetView payload) {
    return write_next(
        id, [&](OctetView octets) { return unframe_object(id, octets); },
        [&](std::uint64_t generation) { return frame_object(id, generation, payload); });
}

Result<std::uint64_t> Store::write_next(const ObjectId& id, const Opener& open, const Maker& make) {
    const auto slots = TRY(read_slots(id, open));
    const auto generation_of = [](const Slot& slot) { return slot.version ? slot.version->generation : 0; };
    const std::uint64_t newest = std::max(generation_of(slots[0]), generation_of(slots[1]));
    if (newest == 0 && slots[0].exists && slots[1].exists)
        return fail(ErrorKind::corrupt, "{}: {}; both slots are damaged and are left as they are", (path_ / slots[0].file).native(),
                    slots[0].damage);
    // The first write of an object may have been cut: then its one slot is damaged and the other is free.
    const Slot& target = newest == 0 ? (slots[0].exists ? slots[1] : slots[0]) : (generation_of(slots[0]) == newest ? slots[1] : slots[0]);
    const Octets octets = make(newest + 1);
    TRY(write_slot(target.file, octets));
    const Octets read_back = TRY(read_file(directory_.get(), target.file, slot_limit_octets));
    if (read_back.size() < octets.size() || !std::ranges::equal(std::span(read_back).first(octets.size()), octets))
        return fail(ErrorKind::io, "{}: reads back otherwise than it was written; the medium is failing", (path_ / target.file).native());
    return newest + 1;
}

Result<void> Store::write_slot(const std::string& file, OctetView octets) {
    auto fd = open_file(directory_.get(), file, O_WRONLY | O_CREAT, 0660);
    if (!fd) return in_context(fd.error(), path_.native());
    const std::size_t size_before = TRY(size_of(fd->get(), file));
    Octets padded(octets.begin(), octets.end());
    padded.resize((octets.size() + slot_granularity_octets - 1) / slot_granularity_octets * slot_granularity_octets, 0);
    TRY(overwrite(fd->get(), padded, file));
    if (size_before == 0) TRY(sync_fd(directory_.get(), path_.native()));  // the directory entry is new
    posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);                   // so that reading back asks the disk
    return {};
}

Result<void> Store::erase(const ObjectId& id) {
    for (const char* suffix : {".a", ".b"}) {
        const std::string file = file_stem(id) + suffix;
        auto fd = open_file(directory_.get(), file, O_WRONLY);
        if (!fd && fd.error().kind == ErrorKind::not_found) continue;
        if (!fd) return in_context(fd.error(), path_.native());
        TRY(overwrite(fd->get(), Octets(TRY(size_of(fd->get(), file)), 0), file));
        if (unlinkat(directory_.get(), file.c_str(), 0) != 0) return fail_errno(errno, (path_ / file).native());
    }
    return sync_fd(directory_.get(), path_.native());
}

}  // namespace lethe
