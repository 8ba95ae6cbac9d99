#include "base/large_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <future>

#include "base/regular_file.hpp"

namespace lethe {
namespace {

constexpr std::size_t huge_page_octets = std::size_t{2} << 20;

// In two halves side by side: clearing and copying so much takes as long as a quarter of the hashing that it is read for.
Result<std::size_t> read_halves(int fd, std::span<std::uint8_t> buffer, std::string_view what) {
    const std::size_t half = buffer.size() / 2 / huge_page_octets * huge_page_octets;
    auto second = std::async(std::launch::async, [&] { return read_at(fd, half, buffer.subspan(half), what); });
    const std::size_t first = TRY(read_at(fd, 0, buffer.first(half), what));
    return first + TRY(second.get());
}

}  // namespace

LargeFile::~LargeFile() {
    if (start_) munmap(start_, room_);
}

Result<LargeFile> LargeFile::read(const std::filesystem::path& path, std::size_t limit_octets) {
    const Fd fd = TRY(open_regular(AT_FDCWD, path));
    return read_descriptor(fd.get(), path.native(), limit_octets);
}

Result<LargeFile> LargeFile::read_descriptor(int fd, std::string_view what, std::size_t limit_octets) {
    struct stat status{};
    if (fstat(fd, &status) != 0) return fail_errno(errno, what);
    if (!S_ISREG(status.st_mode)) return fail(ErrorKind::corrupt, "{}: not a regular file", what);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > limit_octets) return fail(ErrorKind::corrupt, "{}: larger than the {} octets that are allowed", what, limit_octets);
    // One more octet, to see that the file did not grow. A fault for each 4 KiB would take longer than the reading.
    const std::size_t room = (size + huge_page_octets) / huge_page_octets * huge_page_octets;
    void* const start = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return fail_errno(errno, what);
    LargeFile file(start, room, size);
    madvise(start, room, MADV_HUGEPAGE);
    if (TRY(read_halves(fd, {static_cast<std::uint8_t*>(start), size + 1}, what)) != size)
        return fail(ErrorKind::io, "{}: changed while it was read", what);
    return file;
}

}  // namespace lethe
