#include <fcntl.h>
#include <linux/msdos_fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "image/efi_variable.hpp"
#include "image/esp.hpp"
#include "image/release.hpp"

namespace lethe {

namespace {

constexpr std::string_view one_shot_variable = "LoaderEntryOneShot";

// The boot loader takes what it is told for a pattern.
bool is_of_an_entry(char letter) { return letter > ' ' && letter <= '~' && !std::string_view("*?[]\\/").contains(letter); }

// Where this does not work, as on a file that is gone, the change that follows says why.
void make_writable(const std::filesystem::path& file) {
    const auto fd = open_file(AT_FDCWD, file, O_RDONLY | O_NONBLOCK);
    if (!fd) return;
    __u32 attributes = 0;
    if (ioctl(fd->get(), FAT_IOCTL_GET_ATTRIBUTES, &attributes) == 0) {
        if ((attributes & ATTR_RO) == 0) return;
        attributes &= ~static_cast<__u32>(ATTR_RO);
        ioctl(fd->get(), FAT_IOCTL_SET_ATTRIBUTES, &attributes);
        return;
    }
    struct stat status{};
    if (fstat(fd->get(), &status) == 0 && (status.st_mode & S_IWUSR) == 0) fchmod(fd->get(), status.st_mode | S_IWUSR);
}

class FolderEsp final : public Esp {
public:
    FolderEsp(std::filesystem::path root, std::filesystem::path efivars, std::unique_ptr<Disk> images)
        : root_(std::move(root)), efivars_(std::move(efivars)), images_(std::move(images)) {}

    Disk& images() override { return *images_; }

    Result<std::unique_ptr<Disk>> beside(const std::string& version) override { return open_folder_disk(folder(version)); }

    Result<std::unique_ptr<Disk>> make_beside(const std::string& version) override {
        if (mkdir(folder(version).c_str(), 0755) != 0 && errno != EEXIST) return fail_errno(errno, folder(version).native());
        TRY(images_->sync_names());
        return beside(version);
    }

    Result<void> remove_beside(const std::string& version) override {
        if (rmdir(folder(version).c_str()) != 0 && errno != ENOENT) return fail_errno(errno, folder(version).native());
        return {};
    }

    Result<void> set_one_shot(const std::string& entry) override {
        if (!std::ranges::all_of(entry, is_of_an_entry))
            return fail(ErrorKind::invalid_argument, "an entry of the boot loader is named by the file name of its image, in plain ASCII");
        const auto done =
            entry.empty() ? remove_loader_variable(efivars_, one_shot_variable) : set_loader_variable(efivars_, one_shot_variable, entry);
        if (!done) return in_context(done.error(), "cannot tell the boot loader which release comes next");
        return {};
    }

    Result<std::string> one_shot() override { return read_set_variable(efivars_, one_shot_variable); }

    Result<void> rename(const std::string& from, const std::string& to) override {
        const std::filesystem::path folder = images_->place(), file = folder / from;
        make_writable(file);
        if (renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, (folder / to).c_str(), RENAME_NOREPLACE) != 0)
            return fail_errno(errno, std::format("{} cannot be renamed to {}", file.native(), to));
        // FAT keeps in the name's entry where the file lies, and Linux writes an entry for an empty file first: the entry with the place
        // has to be on the disk before the folder is said to be. Then everything, as systemd-bless-boot does it.
        TRY(images_->sync(to));
        TRY(images_->sync_names());
        const Fd directory = TRY(open_file(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
        if (syncfs(directory.get()) != 0) return fail_errno(errno, folder.native());
        return {};
    }

    std::filesystem::path place() const override { return root_; }

private:
    std::filesystem::path folder(const std::string& version) const {
        return images_->place() / std::filesystem::path(folder_beside_release(version));
    }

    std::filesystem::path root_, efivars_;
    std::unique_ptr<Disk> images_;
};

}  // namespace

Result<std::unique_ptr<Esp>> open_folder_esp(const std::filesystem::path& root, const std::filesystem::path& efivars) {
    auto images = open_folder_disk(root / "EFI" / "Linux");
    if (!images) return std::unexpected(images.error());
    return std::make_unique<FolderEsp>(root, efivars, *std::move(images));
}

}  // namespace lethe
