#include "tor/wipe.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "base/file.hpp"

namespace lethe {

namespace {

constexpr unsigned depth_limit = 8;
constexpr off_t overwrite_limit_octets = 1 << 20;  // keys have a few hundred octets; what is larger is only removed

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

Result<void> wipe_entry(int parent, const std::string& name, unsigned depth);

Result<void> overwrite(int parent, const std::string& name, off_t size) {
    if (fchmodat(parent, name.c_str(), 0600, 0) != 0) return fail_errno(errno, name);
    const Fd file = TRY(open_file(parent, name, O_WRONLY | O_NONBLOCK));
    constexpr std::array<std::uint8_t, 4096> zeros{};
    for (off_t left = std::min(size, overwrite_limit_octets); left > 0; left -= static_cast<off_t>(zeros.size()))
        TRY(write_all(file.get(), OctetView(zeros).first(std::min<std::size_t>(zeros.size(), static_cast<std::size_t>(left)))));
    return {};
}

Result<std::vector<std::string>> names_in(int parent, const std::string& name) {
    Fd opened = TRY(open_file(parent, name, O_RDONLY | O_DIRECTORY));
    const int duplicate = fcntl(opened.get(), F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) return fail_errno(errno, name);
    const std::unique_ptr<DIR, CloseDirectory> stream(fdopendir(duplicate));
    if (!stream) return fail_errno(errno, name);
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* entry = readdir(stream.get());
        if (entry == nullptr && errno != 0) return fail_errno(errno, name);
        if (entry == nullptr) return names;
        if (const std::string_view found = entry->d_name; found != "." && found != "..") names.emplace_back(found);
    }
}

Result<void> wipe_directory(int parent, const std::string& name, unsigned depth) {
    if (depth == depth_limit) return fail(ErrorKind::io, "{}: nested too deeply to be removed", name);
    if (fchmodat(parent, name.c_str(), 0700, 0) != 0) return fail_errno(errno, name);
    const Fd directory = TRY(open_file(parent, name, O_RDONLY | O_DIRECTORY));
    for (const std::string& child : TRY(names_in(parent, name))) TRY(wipe_entry(directory.get(), child, depth + 1));
    return {};
}

Result<void> wipe_entry(int parent, const std::string& name, unsigned depth) {
    struct stat status{};
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};
        return fail_errno(errno, name);
    }
    const bool directory = S_ISDIR(status.st_mode);
    const bool own_file = S_ISREG(status.st_mode) && status.st_nlink == 1;
    if ((directory || own_file) && status.st_uid != geteuid() &&
        fchownat(parent, name.c_str(), geteuid(), static_cast<gid_t>(-1), AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(errno, std::format("{} cannot be taken over from its owner (CAP_CHOWN is needed)", name));
    if (directory) TRY(wipe_directory(parent, name, depth));
    if (own_file) TRY(overwrite(parent, name, status.st_size));
    if (unlinkat(parent, name.c_str(), directory ? AT_REMOVEDIR : 0) != 0) return fail_errno(errno, name);
    return {};
}

}  // namespace

Result<void> wipe_tree(int parent, const std::string& name) { return wipe_entry(parent, name, 0); }

}  // namespace lethe
