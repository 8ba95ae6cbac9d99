#pragma once

#include <filesystem>

#include "base/disk.hpp"

namespace lethe {

/// Where releases lie on the ESP, as far as updates touch them: the verbs between which power can go. Versions are checked by the caller.
class Esp {
public:
    virtual ~Esp() = default;

    /// /EFI/Linux. Its names are those of folders too.
    virtual Disk& images() = 0;

    /// lethe_VERSION.efi.extra.d.
    /// @error not_found  there is none.
    virtual Result<std::unique_ptr<Disk>> beside(const std::string& version) = 0;
    /// The same; made, and its name synced, when there is none.
    virtual Result<std::unique_ptr<Disk>> make_beside(const std::string& version) = 0;
    /// Removes the folder, which has to be empty; for good once the names of images() are synced. Nothing to do when there is none.
    virtual Result<void> remove_beside(const std::string& version) = 0;

    /// Which entry the boot loader starts next time, once: its UKI's name without tries. Empty takes that back.
    /// @error invalid_argument  not the name of a file, in plain ASCII.
    /// Source: systemd, The Boot Loader Interface, LoaderEntryOneShot.
    virtual Result<void> set_one_shot(const std::string& entry) = 0;

    /// What set_one_shot() has set, as long as the boot loader has not taken it; empty otherwise, and for what somebody else has set.
    virtual Result<std::string> one_shot() = 0;

    /// Gives a file of images() another name, and syncs the names. A file that FAT has as read-only, which no boot loader renames, is
    /// writable afterwards.
    /// @error already_exists  there is a file of the new name.
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;

    /// For messages: where it is mounted.
    virtual std::filesystem::path place() const = 0;
};

/// @param root     where the ESP is mounted.
/// @param efivars  where efivarfs is.
/// @error not_found  there is no /EFI/Linux: the ESP is not mounted.
Result<std::unique_ptr<Esp>> open_folder_esp(const std::filesystem::path& root, const std::filesystem::path& efivars);

}  // namespace lethe
