#include "tor/offered_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <tuple>

#include "base/regular_file.hpp"
#include "tor/key_names.hpp"

namespace lethe {

namespace {

constexpr mode_t permissions = 07777;
constexpr mode_t permissions_of_others = 0077;

Result<struct stat> status_of(const OfferedFile& file) {
    struct stat status{};
    if (fstat(file.fd, &status) != 0) return fail_errno(errno, file.name);
    return status;
}

Result<void> check_status(const OfferedFile& file, const struct stat& status) {
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::invalid_argument, "{} is not a regular file: give the key file itself", file.name);
    const int flags = fcntl(file.fd, F_GETFL);
    if (flags < 0) return fail_errno(errno, file.name);
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
        return fail(ErrorKind::invalid_argument, "{} was not opened for reading", file.name);
    if (static_cast<std::size_t>(status.st_size) > key_file_limit_octets)
        return fail(ErrorKind::invalid_argument, "{} has {} octets; a key file has at most {}", file.name, status.st_size,
                    key_file_limit_octets);
    if (!is_public_key_file(file.name) && (status.st_mode & permissions_of_others) != 0)
        return fail(ErrorKind::invalid_argument,
                    "{} has mode {:04o}, which lets others at it: treat the key as known to them and make a new relay, or, if nobody else "
                    "could reach the file, `chmod 600` it and try again",
                    file.name, status.st_mode & permissions);
    return {};
}

bool is_unchanged(const struct stat& before, const struct stat& after) {
    const auto facts = [](const struct stat& s) {
        return std::tuple(s.st_size, s.st_mode, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
    };
    return facts(before) == facts(after);
}

Result<Secret> read_offered_file(const OfferedFile& file) {
    const struct stat before = TRY(status_of(file));
    TRY(check_status(file, before));
    const auto size = static_cast<std::size_t>(before.st_size);
    Secret octets(size + 1);  // one more, to see that it ends there
    const std::size_t length = TRY(read_at(file.fd, 0, octets.expose_mutable(), file.name));
    if (length != size || !is_unchanged(before, TRY(status_of(file))))
        return fail(ErrorKind::wrong_state, "{} changed while it was read: stop tor, and try again", file.name);
    return octets.prefix(size);
}

}  // namespace

Result<KeyFiles> read_offered_files(std::span<const OfferedFile> files) {
    if (files.empty()) return fail(ErrorKind::invalid_argument, "there are no key files: give the relay's key directory");
    if (files.size() > key_file_limit_count)
        return fail(ErrorKind::invalid_argument, "{} files, and a relay has at most {} key files: give its key directory alone",
                    files.size(), key_file_limit_count);
    KeyFiles read;
    for (const OfferedFile& file : files) {
        if (is_unfinished_key_file(file.name)) continue;
        TRY(check_key_file_name(file.name));
        if (read.contains(file.name)) return fail(ErrorKind::invalid_argument, "{} is there twice", file.name);
        read.emplace(file.name, TRY(read_offered_file(file)));
    }
    return read;
}

}  // namespace lethe
