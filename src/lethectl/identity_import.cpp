#include <fcntl.h>

#include <filesystem>
#include <format>

#include "base/file.hpp"
#include "lethectl/client.hpp"

namespace lethe::ctl {
namespace {

namespace fs = std::filesystem;

// tor's data directory has the key directory in it.
fs::path key_directory(const fs::path& given) {
    std::error_code none;
    const bool is_data_directory = !fs::exists(given / "secret_id_key", none) && fs::is_directory(given / "keys", none);
    return is_data_directory ? given / "keys" : given;
}

Result<std::map<std::string, Fd>> open_files(const fs::path& directory) {
    const Fd folder = TRY(open_file(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY));
    std::map<std::string, Fd> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
        const auto name = entry.path().filename();
        auto fd = open_file(folder.get(), name, O_RDONLY | O_NONBLOCK);
        if (!fd) return in_context(fd.error(), directory.native());
        files.emplace(name, std::move(*fd));
    }
    if (error) return fail(ErrorKind::io, "{}: {}", directory.native(), error.message());
    return files;
}

}  // namespace

Outcome<int> identity_import(const Invocation& invocation) {
    const auto files = open_files(key_directory(invocation.arguments[1]));
    if (!files) return std::unexpected(to_failure(files.error()));
    const auto replace = invocation.option("replace");
    if (const auto imported = import_relay(invocation.arguments[0], *files, replace); !imported) return std::unexpected(imported.error());
    if (replace) {
        if (const auto refreshed = refresh_tor(invocation.arguments[0], *replace); !refreshed) return std::unexpected(refreshed.error());
    }
    return identity_show({.json = invocation.json, .arguments = {invocation.arguments[0]}});
}

}  // namespace lethe::ctl
