#include "base/large_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/regular_file.hpp"

namespace lethe {
namespace {

constexpr std::size_t huge_page_octets = std::size_t{2} << 20;

}  // namespace

LargeFile::~LargeFile() {
    if (start_) munmap(start_, room_);
}

Result<LargeFile> LargeFile::read(const std::filesystem::path& path, std::size_t limit_octets) {
    const Fd fd = TRY(open_regular(AT_FDCWD, path));
    struct stat status{};
    if (fstat(fd.get(), &status) != 0) return fail_errno(errno, path.native());
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > limit_octets) return fail(ErrorKind::corrupt, "{}: larger than the {} octets that are allowed", path.native(), limit_octets);
    // One more octet, to see that the file did not grow. A fault for each 4 KiB would take longer than the reading.
    const std::size_t room = (size + huge_page_octets) / huge_page_octets * huge_page_octets;
    void* const start = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return fail_errno(errno, path.native());
    LargeFile file(start, room, size);
    madvise(start, room, MADV_HUGEPAGE);
    if (TRY(read_up_to(fd.get(), {static_cast<std::uint8_t*>(start), size + 1}, path)) != size)
        return fail(ErrorKind::io, "{}: changed while it was read", path.native());
    return file;
}

}  // namespace lethe
