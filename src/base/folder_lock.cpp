#include "base/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace lethe {

Result<Fd> hold_folder(int directory, const std::filesystem::path& folder) {
    Fd held = TRY(open_file(directory, folder, O_RDONLY | O_DIRECTORY));
    while (flock(held.get(), LOCK_EX) != 0)
        if (errno != EINTR) return fail_errno(errno, folder.native());
    return held;
}

}  // namespace lethe
