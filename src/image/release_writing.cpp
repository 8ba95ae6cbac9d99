// How a release comes onto the ESP, and goes.
#include <algorithm>
#include <array>

#include "image/booted_image.hpp"
#include "image/releases.hpp"

namespace lethe {

namespace {

constexpr std::size_t sector_octets = 512;
constexpr std::array<std::uint8_t, sector_octets> no_sector{};
constexpr std::array<std::uint8_t, 2> image_mark{'M', 'Z'};

std::unexpected<Error> reads_otherwise(const Disk& disk, const std::string& file) {
    return fail(ErrorKind::io, "{}/{}: reads back otherwise than it was written; the medium is failing", disk.place(), file);
}

Result<void> write_through(Disk& disk, const std::string& file, OctetView octets) {
    TRY(disk.write(file, octets));
    return disk.sync(file);
}

Result<void> check_image(OctetView image) {
    if (image.size() > release_limit_octets)
        return fail(ErrorKind::invalid_argument, "the release has {} octets; it can have {} (64 MiB) at most", image.size(),
                    release_limit_octets);
    if (!begins_as_image(image) || image.size() <= sector_octets)
        return fail(ErrorKind::invalid_argument, "the release is not an EFI image");
    return {};
}

Octets without_first_sector(OctetView image) {
    Octets octets(image.begin(), image.end());
    std::ranges::copy(no_sector, octets.begin());
    return octets;
}

bool is_written_but_for_first_sector(OctetView file, OctetView image) {
    return file.size() == image.size() && std::ranges::equal(file.subspan(sector_octets), image.subspan(sector_octets));
}

}  // namespace

Result<void> Releases::write(const ReleaseName& name, OctetView image, const BesideFiles& beside) {
    TRY(check_name(name));
    TRY(check_image(image));
    TRY(check_beside_files(beside));
    TRY(remove(name.version));
    TRY(write_beside(name.version, beside));
    Disk& images = esp_.images();
    TRY(write_through(images, name.file(), without_first_sector(image)));
    TRY(images.sync_names());
    const Octets present = TRY(images.read(name.file()));
    if (!is_written_but_for_first_sector(present, image) || !std::ranges::equal(OctetView(present).first(sector_octets), no_sector))
        return reads_otherwise(images, name.file());
    return {};
}

Result<void> Releases::write_beside(const std::string& version, const BesideFiles& files) {
    if (files.empty()) return {};
    const auto folder = TRY(esp_.make_beside(version));
    for (const auto& [name, octets] : files) TRY(write_through(*folder, name, octets));
    TRY(folder->sync_names());
    for (const auto& [name, octets] : files)
        if (TRY(folder->read(name)) != octets) return reads_otherwise(*folder, name);
    return {};
}

Result<bool> Releases::is_written(const ReleaseName& name, OctetView image) const {
    const auto present = esp_.images().read(name.file());
    if (!present && present.error().kind == ErrorKind::not_found) return false;
    if (!present) return std::unexpected(present.error());
    return is_written_but_for_first_sector(*present, image);
}

Result<void> Releases::complete(const ReleaseName& name, OctetView image) {
    TRY(check_version(name.version));
    TRY(check_image(image));
    Disk& images = esp_.images();
    if (!TRY(is_written(name, image)))
        return fail(ErrorKind::wrong_state, "{}/{} is not what was written of the release; write it anew", images.place(), name.file());
    TRY(write_through(images, name.file(), image.first(sector_octets)));
    if (!std::ranges::equal(TRY(images.read(name.file())), image)) return reads_otherwise(images, name.file());
    return {};
}

Result<void> Releases::withhold(const std::string& version) {
    TRY(check_version(version));
    Disk& images = esp_.images();
    for (const std::string& file : TRY(files_of(version))) {
        Octets start = TRY(images.read_start(file, sector_octets));
        if (!begins_as_image(start)) continue;
        std::ranges::fill(start.begin(), start.begin() + image_mark.size(), std::uint8_t{0});
        TRY(write_through(images, file, start));
    }
    return remove_beside(version);
}

Result<Octets> Releases::withheld(const ReleaseName& name) const {
    Octets image = TRY(esp_.images().read(name.file()));
    if (image.size() > sector_octets) std::ranges::copy(image_mark, image.begin());
    return image;
}

Result<void> Releases::write_again(const ReleaseName& present, const ReleaseName& name, OctetView image, const BesideFiles& beside) {
    TRY(check_name(name));
    TRY(check_image(image));
    TRY(check_beside_files(beside));
    if (!TRY(is_written(present, image)))
        return fail(ErrorKind::wrong_state, "{}/{} is not what was read of the release", esp_.images().place(), present.file());
    TRY(remove_twins(name.version, present.file()));
    TRY(remove_beside(name.version));
    TRY(write_beside(name.version, beside));
    return present == name ? Result<void>() : esp_.rename(present.file(), name.file());
}

Result<void> Releases::remove(const std::string& version) {
    TRY(check_version(version));
    for (const std::string& file : TRY(files_of(version))) TRY(remove_image(file));
    return remove_beside(version);
}

Result<std::vector<std::string>> Releases::remove_twins(const std::string& version, const std::string& keep) {
    TRY(check_version(version));
    auto twins = TRY(files_of(version));
    std::erase_if(twins, [&](const std::string& file) { return is_same_on_fat(file, keep); });
    for (const std::string& file : twins) TRY(remove_image(file));
    return twins;
}

Result<void> Releases::remove_image(const std::string& file) {
    Disk& images = esp_.images();
    // Of an empty one, which a cut can leave, there is nothing to erase; and it could not be written where there is no room.
    if (const auto present = images.read(file); !present || !present->empty()) TRY(write_through(images, file, no_sector));
    TRY(images.remove(file));
    return images.sync_names();
}

Result<void> Releases::remove_beside(const std::string& version) {
    auto folder = esp_.beside(version);
    if (!folder && folder.error().kind == ErrorKind::not_found) return {};
    if (!folder) return std::unexpected(folder.error());
    for (const std::string& name : TRY((*folder)->names()))
        if (name != "." && name != "..") TRY((*folder)->remove(name));
    TRY((*folder)->sync_names());
    folder->reset();
    TRY(esp_.remove_beside(version));
    return esp_.images().sync_names();
}

}  // namespace lethe
