#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>

#include "base/file.hpp"
#include "tor/key_names.hpp"
#include "tor/key_set.hpp"

namespace lethe {

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

Result<KeyFiles> read_key_directory(int directory) {
    // Opened once more: the position of a directory stream belongs to the open file, and the caller's must not move.
    const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0) return fail_errno(errno, "cannot open the key directory");
    const std::unique_ptr<DIR, CloseDirectory> stream(fdopendir(own));
    if (!stream) return fail_errno(errno, "cannot read the key directory");
    KeyFiles files;
    for (;;) {
        errno = 0;
        const dirent* entry = readdir(stream.get());
        if (entry == nullptr && errno != 0) return fail_errno(errno, "cannot read the key directory");
        if (entry == nullptr) return files;
        const std::string name = entry->d_name;
        if (name == "." || name == ".." || is_unfinished_key_file(name)) continue;
        if (files.size() == key_file_limit_count)
            return fail(ErrorKind::corrupt, "more than {} files in the key directory", key_file_limit_count);
        files.emplace(name, TRY(read_secret_file(own, name, key_file_limit_octets)));
    }
}

}  // namespace lethe
