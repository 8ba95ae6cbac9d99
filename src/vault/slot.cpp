#include "vault/slot.hpp"

#include <algorithm>

namespace lethe {

std::array<std::string, 2> slot_files(const std::string& stem) { return {stem + ".a", stem + ".b"}; }

std::size_t slot_octets(const Disk& disk, std::size_t octets) {
    const std::size_t block = disk.block_octets();
    return (octets + block - 1) / block * block;
}

Result<void> write_slot(Disk& disk, const std::string& file, OctetView octets) {
    const bool is_new = !TRY(disk.exists(file));
    Octets padded(octets.begin(), octets.end());
    padded.resize(slot_octets(disk, octets.size()), 0);
    TRY(disk.write(file, padded));
    TRY(disk.sync(file));
    if (is_new) TRY(disk.sync_names());
    const Octets read_back = TRY(disk.read(file));
    if (read_back.size() < octets.size() || !std::ranges::equal(std::span(read_back).first(octets.size()), octets))
        return fail(ErrorKind::io, "{}/{}: reads back otherwise than it was written; the medium is failing", disk.place(), file);
    return {};
}

Result<void> write_over_slot(Disk& disk, const std::string& file, OctetView octets) {
    Octets padded(octets.begin(), octets.end());
    if (const auto present = disk.read(file); present && present->size() > padded.size()) padded.resize(present->size());
    return write_slot(disk, file, padded);
}

Result<void> wipe_slots(Disk& disk, const std::array<std::string, 2>& files) {
    for (const std::string& file : files) {
        if (!TRY(disk.exists(file))) continue;
        // What can be no slot, as a folder, is not the store's: a write gives it another name.
        const auto present = disk.read(file);
        if (!present && present.error().kind != ErrorKind::corrupt) return std::unexpected(present.error());
        TRY(disk.write(file, Octets(present ? present->size() : 0, 0)));
        TRY(disk.sync(file));
        TRY(disk.remove(file));
    }
    return disk.sync_names();
}

}  // namespace lethe
