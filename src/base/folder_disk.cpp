#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/disk.hpp"
#include "base/file.hpp"
#include "base/folder_lock.hpp"
#include "base/regular_file.hpp"

namespace lethe {

namespace {

class FolderDisk final : public Disk {
public:
    FolderDisk(Fd directory, std::filesystem::path path) : directory_(std::move(directory)), path_(std::move(path)) {}

    Result<std::vector<std::string>> names() const override {
        const int copy = openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0) return fail_errno(errno, path_.native());
        const std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(copy), closedir);
        if (!entries) return fail_errno(errno, path_.native());
        std::vector<std::string> names;
        while (const dirent* entry = readdir(entries.get())) names.emplace_back(entry->d_name);
        return names;
    }

    Result<Fd> exclude() override {
        auto held = hold_folder(directory_.get(), ".");
        if (!held) return in_context(held.error(), path_.native());
        return held;
    }

    Result<bool> exists(const std::string& file) const override {
        struct stat status{};
        if (fstatat(directory_.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
        if (errno != ENOENT) return fail_errno(errno, path_.native());
        return false;
    }

    Result<Octets> read(const std::string& file) const override { return read_file(directory_.get(), file, disk_file_limit_octets); }

    Result<Octets> read_start(const std::string& file, std::size_t count) const override {
        const Fd fd = TRY(open_regular(directory_.get(), file));
        Octets octets(count);
        octets.resize(TRY(read_at(fd.get(), 0, octets, (path_ / file).native())));
        return octets;
    }

    Result<void> write(const std::string& file, OctetView octets) override {
        const bool is_new = TRY(set_aside(file));
        const Fd fd = TRY(open(file, O_WRONLY | O_CREAT));
        if (is_new) TRY(sync_names());
        TRY(shorten(fd.get(), file));
        if (auto written = write_all(fd.get(), octets); !written) return in_context(written.error(), (path_ / file).native());
        return {};
    }

    Result<void> sync(const std::string& file) override {
        const Fd fd = TRY(open(file, O_RDONLY | O_NONBLOCK));
        // Not fsync(): a disk that refuses to write the time of the last access would confirm nothing that it has.
        const int error = fdatasync(fd.get()) != 0 ? errno : 0;
        // So that what is read then comes from the disk; after a failure as well, when Linux takes what it has in memory for written.
        posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
        return error == 0 ? Result<void>() : fail_errno(error, (path_ / file).native());
    }

    Result<void> remove(const std::string& file) override {
        if (unlinkat(directory_.get(), file.c_str(), 0) != 0) return fail_errno(errno, (path_ / file).native());
        return {};
    }

    Result<void> sync_names() override {
        if (fsync(directory_.get()) != 0) return fail_errno(errno, path_.native());
        return {};
    }

    Result<std::uint64_t> free_octets() const override {
        struct statvfs status{};
        if (fstatvfs(directory_.get(), &status) != 0) return fail_errno(errno, path_.native());
        return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    }

    std::size_t block_octets() const override { return 4096; }
    std::string place() const override { return path_.native(); }

private:
    // A folder with that name must not keep a file from being written: it gets another name. Returns whether there was one.
    Result<bool> set_aside(const std::string& file) {
        struct stat status{};
        if (fstatat(directory_.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISREG(status.st_mode)) return false;
        for (int number = 1;; ++number) {
            const std::string aside = std::format("{}.aside{}", file, number);
            if (renameat2(directory_.get(), file.c_str(), directory_.get(), aside.c_str(), RENAME_NOREPLACE) == 0) return true;
            if (errno != EEXIST) return fail_errno(errno, (path_ / file).native());
        }
    }

    // Files never shrink, but for one that read() refuses as too large.
    Result<void> shorten(int fd, const std::string& file) {
        struct stat status{};
        const bool is_large = fstat(fd, &status) == 0 && status.st_size > static_cast<off_t>(disk_file_limit_octets);
        if (is_large && ftruncate(fd, disk_file_limit_octets) != 0) return fail_errno(errno, (path_ / file).native());
        return {};
    }

    Result<Fd> open(const std::string& file, int flags) const {
        auto fd = open_file(directory_.get(), file, flags, 0660);
        if (!fd) return in_context(fd.error(), path_.native());
        return fd;
    }

    Fd directory_;
    std::filesystem::path path_;
};

}  // namespace

Result<std::unique_ptr<Disk>> open_folder_disk(const std::filesystem::path& directory) {
    auto fd = open_file(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    if (!fd) return in_context(fd.error(), "cannot open the folder (is its file system mounted?)");
    return std::make_unique<FolderDisk>(std::move(*fd), directory);
}

}  // namespace lethe
