#include "base/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/regular_file.hpp"

namespace lethe {

namespace {

Error too_large(std::string_view what, std::size_t limit_octets) {
    return {ErrorKind::corrupt, std::format("{}: larger than the {} octets that are allowed", what, limit_octets)};
}

// A mapped file of secret memory.
class Mapping {
public:
    static Result<Mapping> map(int fd, std::size_t size, int protection) {
        void* const memory = mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) return fail_errno(errno, "cannot map secret memory (RLIMIT_MEMLOCK?)");
        return Mapping(static_cast<std::uint8_t*>(memory), size);
    }
    Mapping(Mapping&& other) noexcept : octets_(std::exchange(other.octets_, {})) {}
    Mapping& operator=(Mapping&&) = delete;
    ~Mapping() {
        if (!octets_.empty()) munmap(octets_.data(), octets_.size());
    }
    std::span<std::uint8_t> octets() const { return octets_; }

private:
    Mapping(std::uint8_t* memory, std::size_t size) : octets_(memory, size) {}
    std::span<std::uint8_t> octets_;
};

}  // namespace

Fd::~Fd() {
    if (fd_ >= 0) close(fd_);
}

Result<Fd> open_file(int directory, const std::filesystem::path& path, int flags, mode_t mode) {
    const int fd = openat(directory, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 && errno == ELOOP) return fail(ErrorKind::corrupt, "{}: a symbolic link where a file is expected", path.native());
    if (fd < 0) return fail_errno(errno, path.native());
    return Fd(fd);
}

// Never waits: a FIFO put in its place must not block a daemon.
Result<Fd> open_regular(int directory, const std::filesystem::path& path) {
    Fd fd = TRY(open_file(directory, path, O_RDONLY | O_NONBLOCK));
    struct stat status{};
    if (fstat(fd.get(), &status) != 0) return fail_errno(errno, path.native());
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::corrupt, "{}: not a regular file", path.native());
    return fd;
}

Result<std::size_t> read_up_to(int fd, std::span<std::uint8_t> buffer, const std::filesystem::path& path) {
    std::size_t length = 0;
    while (length < buffer.size()) {
        const ssize_t count = read(fd, buffer.data() + length, buffer.size() - length);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, path.native());
        if (count == 0) break;
        length += static_cast<std::size_t>(count);
    }
    return length;
}

Result<Octets> read_file(int directory, const std::filesystem::path& path, std::size_t limit_octets) {
    const Fd fd = TRY(open_regular(directory, path));
    struct stat status{};
    if (fstat(fd.get(), &status) != 0) return fail_errno(errno, path.native());
    // A hint: procfs and securityfs say 0. One more octet finds the end without another round.
    const auto expected = static_cast<std::size_t>(status.st_size) + 1;
    Octets octets;
    for (;;) {
        const std::size_t before = octets.size();
        octets.resize(std::min(limit_octets + 1, std::max({std::size_t{4096}, expected, 2 * before})));
        const std::size_t count = TRY(read_up_to(fd.get(), std::span(octets).subspan(before), path));
        const bool at_end = before + count < octets.size();
        octets.resize(before + count);
        if (octets.size() > limit_octets) return std::unexpected(too_large(path.native(), limit_octets));
        if (at_end) return octets;
    }
}

Result<Octets> read_file(const std::filesystem::path& path, std::size_t limit_octets) { return read_file(AT_FDCWD, path, limit_octets); }

Result<std::size_t> read_at(int fd, std::size_t offset, std::span<std::uint8_t> buffer, std::string_view what) {
    std::size_t length = 0;
    while (length < buffer.size()) {
        const ssize_t count = pread(fd, buffer.data() + length, buffer.size() - length, static_cast<off_t>(offset + length));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, what);
        if (count == 0) break;
        length += static_cast<std::size_t>(count);
    }
    return length;
}

Result<Secret> read_secret_file(int directory, const std::filesystem::path& path, std::size_t limit_octets) {
    const Fd fd = TRY(open_file(directory, path, O_RDONLY | O_NONBLOCK));
    return read_secret_descriptor(fd.get(), path.native(), limit_octets);
}

Result<Secret> read_secret_descriptor(int fd, std::string_view what, std::size_t limit_octets) {
    struct stat status{};
    if (fstat(fd, &status) != 0) return fail_errno(errno, what);
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::corrupt, "{}: not a regular file", what);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > limit_octets) return std::unexpected(too_large(what, limit_octets));
    Secret secret(size + 1);  // one more, to see that the file did not grow
    if (size > 0 && pread(fd, secret.expose_mutable().data(), 1, 0) < 0 && (errno == EINVAL || errno == ESPIPE)) {  // can only be mapped
        const Mapping mapping = TRY(Mapping::map(fd, size, PROT_READ));
        return Secret::copy_of(mapping.octets());
    }
    if (TRY(read_at(fd, 0, secret.expose_mutable(), what)) != size) return fail(ErrorKind::io, "{}: changed while it was read", what);
    return secret.prefix(size);
}

Result<Fd> sealed_memory_file(OctetView octets) {
    Fd fd(memfd_create("lethe", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
    if (!fd) return fail_errno(errno, "memfd_create");
    TRY(write_all(fd.get(), octets));
    if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return fail_errno(errno, "memfd");
    return fd;
}

Result<Fd> secret_memory_file(const Secret& secret) {
    Fd fd(static_cast<int>(syscall(SYS_memfd_secret, O_CLOEXEC)));
    if (!fd && errno == ENOSYS) return sealed_memory_file(secret.expose());
    if (!fd) return fail_errno(errno, "memfd_secret");
    if (ftruncate(fd.get(), static_cast<off_t>(secret.size())) != 0) return fail_errno(errno, "memfd_secret");
    const Mapping mapping = TRY(Mapping::map(fd.get(), secret.size(), PROT_READ | PROT_WRITE));
    std::ranges::copy(secret.expose(), mapping.octets().begin());
    return fd;
}

Result<void> write_all(int fd, OctetView octets) {
    while (!octets.empty()) {
        const ssize_t count = write(fd, octets.data(), octets.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(errno, "write");
        octets = octets.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Result<void> write_new_file(int directory, const std::filesystem::path& path, OctetView octets, mode_t mode) {
    const Fd fd = TRY(open_file(directory, path, O_WRONLY | O_CREAT | O_EXCL, mode));
    const auto discard = [&](Error error) {
        unlinkat(directory, path.c_str(), 0);
        return in_context(std::move(error), path.native());
    };
    if (auto written = write_all(fd.get(), octets); !written) return discard(written.error());
    if (fsync(fd.get()) != 0) return discard(fail_errno(errno, "fsync").error());
    return {};
}

Result<void> replace_file(const std::filesystem::path& path, OctetView octets, mode_t mode) {
    const Fd directory = TRY(open_file(AT_FDCWD, path.parent_path(), O_RDONLY | O_DIRECTORY));
    const std::filesystem::path temporary = path.filename().native() + ".new";
    unlinkat(directory.get(), temporary.c_str(), 0);  // left by a process that died
    TRY(write_new_file(directory.get(), temporary, octets, mode));
    if (renameat(directory.get(), temporary.c_str(), directory.get(), path.filename().c_str()) != 0)
        return fail_errno(errno, path.native());
    if (fsync(directory.get()) != 0) return fail_errno(errno, path.parent_path().native());
    return {};
}

}  // namespace lethe
