#include "measure/cpio.hpp"

#include <algorithm>
#include <format>
#include <limits>

namespace lethe {
namespace {

constexpr unsigned folder_type = 0040000, file_type = 0100000;
constexpr std::string_view trailer =
    "070701"
    "00000000"
    "00000000"
    "00000000"
    "00000000"
    "00000001"
    "00000000"
    "00000000"
    "00000000"
    "00000000"
    "00000000"
    "00000000"
    "0000000B"
    "00000000"
    "TRAILER!!!";

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

bool ends_with(std::string_view name, std::string_view suffix) {
    return name.size() >= suffix.size() && std::ranges::equal(name.substr(name.size() - suffix.size()), suffix, {}, lower, lower);
}

// Octets, and NULs up to a multiple of 4: an entry begins at one, and so does its contents.
void padded(OctetView octets, Octets& archive) {
    archive.insert(archive.end(), octets.begin(), octets.end());
    archive.resize((archive.size() + 3) / 4 * 4);
}

void write_header(unsigned inode, unsigned mode, std::size_t size, std::string_view path, Octets& archive) {
    // inode, mode, uid, gid, nlink, mtime, size, 4 device numbers, the path's length with its NUL, no checksum
    std::string header = std::format("070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:032x}{:08x}{:08x}", inode, mode, 0, 0, 1, 0, size,
                                     0, path.size() + 1, 0);
    header.append(path).push_back('\0');
    padded(as_octets(header), archive);
}

// The folder and those that it lies in, the outermost first.
unsigned write_folders(const CpioTarget& target, Octets& archive) {
    unsigned inode = 1;
    for (auto slash = target.folder.find('/'); slash != std::string_view::npos; slash = target.folder.find('/', slash + 1))
        write_header(inode++, folder_type | 0555, 0, target.folder.substr(0, slash), archive);
    write_header(inode++, folder_type | target.folder_mode, 0, target.folder, archive);
    return inode;
}

// For ASCII, the order of UTF-16 is that of octets.
Result<std::vector<const CpioFile*>> sorted(const CpioTarget& target, std::span<const CpioFile> files) {
    if (files.empty()) return fail(ErrorKind::invalid_argument, "no file for {}: there is no archive of it", target.folder);
    std::vector<const CpioFile*> order;
    for (const CpioFile& file : files) {
        if (!is_taken(target, file.name))
            return fail(ErrorKind::invalid_argument, "the name of a file for {} is not one that the stub takes", target.folder);
        if (file.octets.size() > std::numeric_limits<std::uint32_t>::max())
            return fail(ErrorKind::invalid_argument, "{} is larger than an archive can hold", file.name);
        order.push_back(&file);
    }
    std::ranges::sort(order, {}, [](const CpioFile* file) -> std::string_view { return file->name; });
    const auto twice = std::ranges::adjacent_find(order, {}, [](const CpioFile* file) -> std::string_view { return file->name; });
    if (twice != order.end()) return fail(ErrorKind::invalid_argument, "{} is there twice for {}", (*twice)->name, target.folder);
    return order;
}

}  // namespace

bool is_taken(const CpioTarget& target, std::string_view name) {
    // A name from a FAT file system has none of these; "/" and control characters are refused for those who read the archive.
    const auto plain = [](char letter) { return letter >= 0x20 && letter < 0x7f && letter != '/'; };
    return !name.empty() && name.front() != '.' && name.size() <= 255 && std::ranges::all_of(name, plain) &&
           ends_with(name, target.suffix) && (target.not_suffix.empty() || !ends_with(name, target.not_suffix));
}

Result<Octets> cpio_archive(const CpioTarget& target, std::span<const CpioFile> files) {
    const auto order = TRY(sorted(target, files));
    Octets archive;
    unsigned inode = write_folders(target, archive);
    for (const CpioFile* file : order) {
        write_header(inode++, file_type | target.file_mode, file->octets.size(), std::format("{}/{}", target.folder, file->name), archive);
        padded(file->octets, archive);
    }
    padded(as_octets(std::string(trailer) + '\0'), archive);
    return archive;
}

}  // namespace lethe
