#pragma once

#include <filesystem>
#include <string_view>

#include "base/octets.hpp"

namespace lethe {

/// The octets of a file of tens of megabytes, read once and as fast as a program that hashes it while it reads. Move-only.
///
/// Read, not mapped: whoever shortens a mapped file kills the process that looks at it.
class LargeFile {
public:
    /// @error not_found
    /// @error corrupt  not a regular file, or larger than `limit_octets`.
    /// @error io       it changed while it was read; or the operating system refused.
    static Result<LargeFile> read(const std::filesystem::path& path, std::size_t limit_octets);

    /// The same of a file that somebody else has opened, whatever its position. `what` names it in messages.
    static Result<LargeFile> read_descriptor(int fd, std::string_view what, std::size_t limit_octets);

    LargeFile(LargeFile&& other) noexcept : start_(std::exchange(other.start_, nullptr)), room_(other.room_), size_(other.size_) {}
    LargeFile& operator=(LargeFile&&) = delete;
    ~LargeFile();

    OctetView octets() const { return {static_cast<const std::uint8_t*>(start_), size_}; }

private:
    LargeFile(void* start, std::size_t room, std::size_t size) : start_(start), room_(room), size_(size) {}

    void* start_;
    std::size_t room_, size_;
};

}  // namespace lethe
