#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace lethe {

/// Owns a file descriptor; closes it on destruction. Move-only.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd();

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_ = -1;
};

/// Opens relative to `directory` (AT_FDCWD for none) with O_CLOEXEC | O_NOFOLLOW added to `flags`.
/// @error not_found, already_exists, io
Result<Fd> open_file(int directory, const std::filesystem::path& path, int flags, mode_t mode = 0);

/// Reads a regular file to its end. Files of procfs and securityfs, whose size says 0, are read too.
/// @error not_found         it does not exist.
/// @error corrupt           it is larger than `limit_octets`, or not a regular file.
/// @error io
Result<Octets> read_file(int directory, const std::filesystem::path& path, std::size_t limit_octets);
Result<Octets> read_file(const std::filesystem::path& path, std::size_t limit_octets);

/// The same into locked memory, without a copy elsewhere.
Result<Secret> read_secret_file(int directory, const std::filesystem::path& path, std::size_t limit_octets);

/// The same of a file that somebody else has opened, whatever its position, or of secret_memory_file(). `what` names it in messages.
/// @error corrupt  not a regular file, or larger than `limit_octets`.
/// @error io       not open for reading, or it changed while it was read.
Result<Secret> read_secret_descriptor(int fd, std::string_view what, std::size_t limit_octets);

/// A file in memory with these octets, which nobody can change any more: what a process hands to another one.
/// @error io
Result<Fd> sealed_memory_file(OctetView octets);

/// A file of memory that no other process can open by way of /proc, and that the kernel itself does not map: secrets that one process hands
/// to another, or to itself after a restart. A kernel without memfd_secret(2) gives one of sealed_memory_file().
/// @error io
Result<Fd> secret_memory_file(const Secret& secret);

/// Writes all octets, or fails. @error io
Result<void> write_all(int fd, OctetView octets);

/// Makes a file that must not exist yet, with these octets, and syncs it. Nothing stays behind on failure.
/// @error already_exists, io
Result<void> write_new_file(int directory, const std::filesystem::path& path, OctetView octets, mode_t mode);

/// Replaces `path` by a new file by way of a temporary one and rename(2), syncing both. Only for file systems that rename atomically
/// (tmpfs, ext4), never for the store on the ESP.
/// @error io
Result<void> replace_file(const std::filesystem::path& path, OctetView octets, mode_t mode);

}  // namespace lethe
