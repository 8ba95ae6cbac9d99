#include "vault/nv_disk.hpp"

#include <fcntl.h>

#include <algorithm>
#include <ranges>

#include "base/folder_lock.hpp"

namespace lethe {

/// Where a file lies: a u16 length, 0 while there is no file, then its octets.
struct NvRegion {
    std::string_view file;
    std::size_t index;  ///< in store_index_handles
    std::uint16_t offset;
    std::uint16_t octets;

    std::uint32_t handle() const { return store_index_handles[index]; }
    std::size_t room() const { return octets - sizeof(std::uint16_t); }
};

namespace {

// Part of the format: another layout needs another mark. What each has to hold is in docs/formats.md.
constexpr std::uint16_t policy_octets = 1376;
constexpr std::uint16_t keyring_octets = 672;
constexpr std::uint16_t vault_octets = 832;
constexpr std::uint16_t enrolling_octets = 120;

constexpr std::array<NvRegion, 8> regions{{
    {"policy.a", 0, 0, policy_octets},
    {"keyring.a", 0, policy_octets, keyring_octets},
    {"policy.b", 1, 0, policy_octets},
    {"keyring.b", 1, policy_octets, keyring_octets},
    {"vault.a", 2, 0, vault_octets},
    {"vault.b", 2, vault_octets, vault_octets},
    {"enrolling.a", 2, 2 * vault_octets, enrolling_octets},
    {"enrolling.b", 2, 2 * vault_octets + enrolling_octets, enrolling_octets},
}};

constexpr std::string_view mark = "LETHENV1";
constexpr std::size_t marked_index = 2;
constexpr std::uint16_t mark_offset = regions.back().offset + regions.back().octets;
constexpr std::array<std::uint16_t, 3> index_octets{policy_octets + keyring_octets, policy_octets + keyring_octets,
                                                    mark_offset + mark.size()};
static_assert(std::ranges::max(index_octets) <= 2048, "few TPMs have a larger index");

const NvRegion* region_of(const std::string& file) {
    const auto found = std::ranges::find(regions, file, &NvRegion::file);
    return found == regions.end() ? nullptr : &*found;
}

/// Whether a write of the mark, or of the zeros that take it away, has been cut, or never begun.
bool is_unfinished(OctetView octets) {
    return std::ranges::all_of(std::views::iota(0uz, mark.size()), [&](std::size_t i) {
        return octets[i] == 0 || octets[i] == 0xff || octets[i] == static_cast<std::uint8_t>(mark[i]);
    });
}

std::unexpected<Error> no_file(const std::string& file) { return fail(ErrorKind::not_found, "{} is not in the TPM", file); }

}  // namespace

Result<Fd> NvDisk::exclude() {
    if (folder_.empty()) return Fd();
    auto held = hold_folder(AT_FDCWD, folder_);
    if (!held && held.error().kind == ErrorKind::not_found) return Fd();
    return held;
}

std::string NvDisk::place() const { return std::format("TPM NV {:#x} to {:#x}", store_index_handles.front(), store_index_handles.back()); }

Result<bool> NvDisk::is_made() const {
    if (made_) return true;
    const std::uint32_t handle = store_index_handles[marked_index];
    const auto octets = tpm_->nv_read(handle, mark_offset, mark.size());
    if (octets && as_text(*octets) == mark) return made_ = true;
    if (!octets && octets.error().kind == ErrorKind::not_found) return false;
    if (!octets && octets.error().kind != ErrorKind::wrong_state && octets.error().kind != ErrorKind::invalid_argument)
        return std::unexpected(octets.error());
    const NvArea area = TRY(own_area(marked_index));
    if (!area.written) return false;
    if (!octets) return std::unexpected(octets.error());
    if (is_unfinished(*octets)) return false;
    return fail(ErrorKind::wrong_state, "the NV index {:#x} holds no store that this release knows; keep the store on a disk", handle);
}

Result<NvArea> NvDisk::own_area(std::size_t index) const {
    const std::uint32_t handle = store_index_handles[index];
    const NvArea area = TRY(tpm_->nv_area(handle));
    if (area.plain && area.octets == index_octets[index]) return area;
    return fail(
        ErrorKind::wrong_state,
        "the NV index {:#x} is not Lethe's ({} octets, where a store has {}); remove it with tpm2_nvundefine if nothing needs it, or "
        "keep the store on a disk",
        handle, area.octets, index_octets[index]);
}

Result<std::optional<Octets>> NvDisk::load(const NvRegion& region, std::size_t from, std::size_t count) const {
    if (!TRY(is_made())) return std::nullopt;
    auto octets = tpm_->nv_read(region.handle(), region.offset + from, count);
    if (octets || octets.error().kind != ErrorKind::not_found) return octets;
    made_ = false;  // somebody else may have removed the store as a whole
    if (!TRY(is_made())) return std::nullopt;
    return fail(ErrorKind::corrupt, "the NV index {:#x} of the store has been removed from the TPM, and what it held with it",
                region.handle());
}

Result<std::uint16_t> NvDisk::length_of(const NvRegion& region) const {
    const auto octets = TRY(load(region, 0, sizeof(std::uint16_t)));
    return octets ? OctetReader(*octets).u16() : 0;
}

Result<std::vector<std::string>> NvDisk::names() const {
    std::vector<std::string> names;
    if (!TRY(is_made())) return names;
    for (const NvRegion& region : regions)
        if (TRY(length_of(region)) != 0) names.emplace_back(region.file);
    return names;
}

Result<bool> NvDisk::exists(const std::string& file) const {
    const NvRegion* const region = region_of(file);
    return region != nullptr && TRY(length_of(*region)) != 0;
}

Result<Octets> NvDisk::read(const std::string& file) const {
    const NvRegion* const region = region_of(file);
    if (region == nullptr || !TRY(is_made())) return no_file(file);
    // As much as one command gives, with the length in it.
    const std::size_t first = std::min(region->octets, TRY(tpm_->nv_limits()).write_octets);
    const auto head = TRY(load(*region, 0, first));
    if (!head) return no_file(file);
    const std::size_t length = TRY(OctetReader(*head).u16());
    if (length == 0) return no_file(file);
    // A torn length: what there is does not authenticate then, so that the slot is a damaged one.
    const std::size_t wanted = std::min<std::size_t>(sizeof(std::uint16_t) + length, region->octets);
    Octets octets(head->begin() + sizeof(std::uint16_t), head->begin() + std::min(first, wanted));
    if (wanted > first) {
        const auto rest = TRY(load(*region, first, wanted - first));
        if (!rest) return no_file(file);
        octets.insert(octets.end(), rest->begin(), rest->end());
    }
    return octets;
}

Result<void> NvDisk::write(const std::string& file, OctetView octets) {
    const NvRegion* const region = region_of(file);
    if (region == nullptr) return fail(ErrorKind::invalid_argument, "a store in the TPM has no place for {}", file);
    if (octets.empty() || octets.size() > region->room())
        return fail(ErrorKind::invalid_argument, "{} needs {} octets, and a store in the TPM has {} for it; keep the store on a disk", file,
                    octets.size(), region->room());
    if (!TRY(is_made())) TRY(make());
    // The length is in the first octets, which nv_write writes last.
    // To the region's end: of a longer file that lay there, nothing stays behind.
    Octets content = OctetWriter().sized16(octets).take();
    content.resize(region->octets, 0);
    return tpm_->nv_write(region->handle(), region->offset, content);
}

Result<void> NvDisk::remove(const std::string& file) {
    const NvRegion* const region = region_of(file);
    if (region == nullptr || !TRY(is_made())) return no_file(file);
    TRY(tpm_->nv_write(region->handle(), region->offset, Octets(region->octets, 0)));
    for (const NvRegion& other : regions)
        if (TRY(length_of(other)) != 0) return {};
    return unmake();
}

Result<std::uint64_t> NvDisk::free_octets() const {
    return fail(ErrorKind::wrong_state, "a store in the TPM has room for its own objects alone; keep the store on a disk");
}

Result<void> NvDisk::make() {
    std::vector<std::uint32_t> defined;
    const auto made = make_indices(defined);
    if (made) {
        made_ = true;
        return {};
    }
    for (const std::uint32_t handle : defined)
        if (const auto undone = tpm_->nv_undefine(handle); !undone && undone.error().kind != ErrorKind::not_found)
            return fail(made.error().kind, "{}. The NV index {:#x} stays behind ({})", made.error().message, handle,
                        undone.error().message);
    return made;
}

Result<bool> NvDisk::is_missing(std::size_t index) const {
    const auto area = own_area(index);
    if (area) return false;  // a making that was cut has left it
    if (area.error().kind == ErrorKind::not_found) return true;
    return std::unexpected(area.error());
}

Result<void> NvDisk::make_indices(std::vector<std::uint32_t>& defined) {
    constexpr std::uint16_t largest = std::ranges::max(index_octets);
    if (const NvLimits limits = TRY(tpm_->nv_limits()); limits.index_octets < largest)
        return fail(ErrorKind::wrong_state, "this TPM has NV indices of {} octets at most, and a store needs {}; keep the store on a disk",
                    limits.index_octets, largest);
    std::array<bool, index_octets.size()> missing{};
    for (std::size_t i = 0; i < missing.size(); ++i) missing[i] = TRY(is_missing(i));
    for (std::size_t i = 0; i < missing.size(); ++i) {
        if (!missing[i]) continue;
        TRY(tpm_->nv_define(store_index_handles[i], index_octets[i]));
        defined.push_back(store_index_handles[i]);
    }
    for (std::size_t i = 0; i < missing.size(); ++i) TRY(tpm_->nv_write(store_index_handles[i], 0, Octets(index_octets[i], 0)));
    return tpm_->nv_write(store_index_handles[marked_index], mark_offset, as_octets(mark));
}

Result<void> NvDisk::unmake() {
    made_ = false;
    TRY(tpm_->nv_write(store_index_handles[marked_index], mark_offset, Octets(mark.size(), 0)));
    for (const std::uint32_t handle : store_index_handles) TRY(tpm_->nv_undefine(handle));
    return {};
}

}  // namespace lethe
