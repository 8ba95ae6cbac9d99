#pragma once

#include <optional>
#include <span>

#include "image/beside_files.hpp"
#include "image/esp.hpp"
#include "image/release.hpp"

namespace lethe {

/// No release is larger, 64 MiB.
constexpr std::size_t release_limit_octets = disk_file_limit_octets;

/// A release on the ESP, whole or what a power cut has left of it.
struct StoredRelease {
    ReleaseName name;
    bool complete;  ///< false when its first sector is missing, so that no boot loader takes it for an image

    bool operator==(const StoredRelease&) const = default;
};

/// Whether a boot loader looks at it any further. Source: systemd 257, src/boot/pe.c, verify_dos().
bool begins_as_image(OctetView octets);

/// The releases on the ESP. Borrows it.
///
/// FAT has no atomic rename, but a sector is written whole or not at all, and systemd-boot lists no file that does not begin as an image
/// does. So the first sector of a release is written last and erased first: whenever power goes, no torn image can be started.
class Releases {
public:
    explicit Releases(Esp& esp) : esp_(esp) {}

    /// Every lethe_*.efi, newest version first; others' files are left out. A version of which only the folder beside it is left is there
    /// too, not complete, so that it can be removed. Reads each image.
    /// @error corrupt, io  a file with the name of a release cannot be read.
    Result<std::vector<StoredRelease>> list() const;

    /// Of several files of one version, which differ in their tries, one that is complete.
    /// @error invalid_argument  no release can have this version.
    Result<std::optional<StoredRelease>> find(const std::string& version) const;

    /// What the stub takes of what lies beside a release; empty when there is no folder.
    /// @error invalid_argument  no release can have this version.
    /// @error corrupt           something there is no regular file, or larger than 64 MiB.
    Result<BesideFiles> beside(const std::string& version) const;

    /// How many octets a release needs on the ESP that are not free now, 0 when there is room. At most 64 KiB a file too many, because the
    /// size of FAT's clusters is not known here.
    Result<std::uint64_t> lacks(std::uint64_t image_octets, std::span<const std::uint64_t> beside_octets) const;

    /// Writes what lies beside the release, then its image with zeros for the first sector: all synced and read back, and nothing that a
    /// boot loader would start. What there is of this version already, whatever its tries, is removed first.
    ///
    /// After a failure remove() takes off what was written.
    /// @error invalid_argument  no such version, one with capital letters (FAT and systemd-boot do not tell them from small ones), not an
    ///                          image, more than 64 MiB, or what check_beside_files() refuses; nothing has been written.
    /// @error already_exists    the ESP has a release of the same version but for capital letters; nothing has been written.
    /// @error io                no room; or it reads back otherwise.
    Result<void> write(const ReleaseName& name, OctetView image, const BesideFiles& beside);

    /// Writes the first sector: from here on the next boot can take it. Synced and read back.
    /// @error wrong_state  what write() has left of this image is not there.
    Result<void> complete(const ReleaseName& name, OctetView image);

    /// Takes a release from the boot loaders and keeps it: the first two octets of its first sector are erased, and what lies beside it is
    /// removed. Nothing to do when that was done.
    /// @error invalid_argument  no release can have this version.
    Result<void> withhold(const std::string& version);
    /// The image that withhold() has kept, whole again. Anyone who can write to the ESP may have changed it.
    /// @error as Disk::read()
    Result<Octets> withheld(const ReleaseName& name) const;
    /// write() for an image that withhold() has kept: under a name with other tries, and with these files beside it.
    /// @error as write(); wrong_state  what is there is not this image.
    Result<void> write_again(const ReleaseName& present, const ReleaseName& name, OctetView image, const BesideFiles& beside);

    /// Takes every other file of a release off than `keep`, by the same order as remove(): twins, which differ in their tries. What lies
    /// beside the release stays. @return their names.
    Result<std::vector<std::string>> remove_twins(const std::string& version, const std::string& keep);

    /// Takes a release off, whatever its tries: first its first sector, then the file, then what lies beside it. Nothing to do when there
    /// is none.
    /// @error invalid_argument  no release can have this version.
    Result<void> remove(const std::string& version);

private:
    /// Of one version, when there is one.
    Result<std::vector<StoredRelease>> stored(const std::string* version) const;
    /// Whatever their tries.
    Result<std::vector<std::string>> files_of(const std::string& version) const;
    Result<void> check_name(const ReleaseName& name) const;
    /// But for the first sector, which may be there.
    Result<bool> is_written(const ReleaseName& name, OctetView image) const;
    Result<void> write_beside(const std::string& version, const BesideFiles& files);
    Result<void> remove_image(const std::string& file);
    Result<void> remove_beside(const std::string& version);

    Esp& esp_;
};

}  // namespace lethe
