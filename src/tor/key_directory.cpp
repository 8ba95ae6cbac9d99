#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>

#include "base/file.hpp"
#include "tor/key_names.hpp"
#include "tor/key_set.hpp"

namespace lethe {

namespace {

constexpr std::size_t file_limit_octets = 8192;
constexpr std::size_t file_limit_count = 32;
constexpr std::string_view unfinished_suffix = ".tmp";

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

bool is_unfinished(std::string_view name) {
    return name.ends_with(unfinished_suffix) && is_key_file(name.substr(0, name.size() - unfinished_suffix.size()));
}

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
        if (name == "." || name == ".." || is_unfinished(name)) continue;
        if (files.size() == file_limit_count) return fail(ErrorKind::corrupt, "more than {} files in the key directory", file_limit_count);
        files.emplace(name, TRY(read_secret_file(own, name, file_limit_octets)));
    }
}

}  // namespace lethe
