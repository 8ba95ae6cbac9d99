#include "lethectl/update_files.hpp"

#include <fcntl.h>

#include <algorithm>
#include <format>

#include "base/regular_file.hpp"
#include "lethectl/client.hpp"

namespace lethe::ctl {
namespace {

namespace fs = std::filesystem;

std::unexpected<Failure> usage(std::string message) { return std::unexpected(Failure{exit_usage, std::move(message), {}}); }

Outcome<Fd> opened(const fs::path& path) {
    return open_regular(AT_FDCWD, path).transform_error([](const Error& error) {
        auto failure = to_failure(error);
        if (error.kind == ErrorKind::corrupt) failure.exit_status = exit_refused;
        return failure;
    });
}

// The path of the records, when there are any.
std::optional<fs::path> records_of(const Invocation& invocation) {
    if (const auto given = invocation.option("records")) return *given;
    fs::path beside = invocation.arguments[0];
    if (beside.extension() != ".efi") return std::nullopt;
    beside.replace_extension(".pcrlock");
    std::error_code none;
    return fs::exists(fs::symlink_status(beside, none)) ? std::optional(beside) : std::nullopt;
}

}  // namespace

Outcome<std::map<std::string, Fd>> files_beside(const std::vector<std::string>& paths, const std::vector<std::string>& dropped) {
    std::map<std::string, Fd> files;
    for (const auto& path : paths) {
        const auto name = fs::path(path).filename().native();
        if (name.empty()) return usage(std::format("\"{}\" is not the name of a file", path));
        if (files.contains(name)) return usage(std::format("{} is given twice", name));
        if (std::ranges::contains(dropped, name)) return usage(std::format("{} is to be there and to be dropped", name));
        auto fd = opened(path);
        if (!fd) return std::unexpected(fd.error());
        files.emplace(name, std::move(*fd));
    }
    return files;
}

Outcome<OfferedRelease> offered_release(const Invocation& invocation) {
    OfferedRelease release{
        .image = {}, .records = {}, .beside = {}, .drop = invocation.all("drop"), .allow_downgrade = invocation.has("allow-downgrade")};
    auto image = opened(invocation.arguments[0]);
    if (!image) return std::unexpected(image.error());
    release.image = std::move(*image);
    if (const auto path = records_of(invocation)) {
        auto records = opened(*path);
        if (!records) return std::unexpected(records.error());
        release.records = std::move(*records);
    }
    auto beside = files_beside(invocation.all("beside"), release.drop);
    if (!beside) return std::unexpected(beside.error());
    release.beside = std::move(*beside);
    return release;
}

}  // namespace lethe::ctl
