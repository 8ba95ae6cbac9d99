#include "credentials/credentials.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "base/file.hpp"

namespace lethe {

namespace fs = std::filesystem;

namespace {

// Sorted, so that the log of two equal boots is the same.
std::vector<fs::path> files_in(const fs::path& folder) {
    std::error_code none_there;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder, none_there)) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

std::optional<std::string> credential_name(std::string_view file_name) {
    constexpr std::string_view prefix = "lethe.", suffix = ".cred";
    constexpr std::size_t name_limit = 128;
    if (!file_name.starts_with(prefix) || !file_name.ends_with(suffix)) return std::nullopt;
    file_name.remove_suffix(suffix.size());
    if (file_name.size() <= prefix.size() || file_name.size() > name_limit) return std::nullopt;
    for (const auto part : std::views::split(file_name, '.'))
        if (part.empty() || !std::ranges::all_of(part, is_name_character)) return std::nullopt;
    return std::string(file_name);
}

Result<ImportReport> import_credentials(std::span<const fs::path> sources, const fs::path& destination) {
    if (mkdir(destination.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(errno, destination.native());

    ImportReport report;
    for (const auto& file : sources | std::views::transform(files_in) | std::views::join) {
        const auto name = credential_name(file.filename().native());
        if (!name) {
            report.ignored.push_back(file.native() + ": not a name of Lethe's (lethe.NAME.cred)");
            continue;
        }
        const auto content = read_file(file, credential_limit_octets);
        if (!content) {
            report.ignored.push_back(content.error().message);
            continue;
        }
        const auto written = write_new_file(AT_FDCWD, destination / *name, *content, 0400);
        if (written) report.imported.push_back(*name);
        else if (written.error().kind == ErrorKind::already_exists)
            report.ignored.push_back(file.native() + ": there is one for this very UKI");
        else return std::unexpected(written.error());
    }
    return report;
}

}  // namespace lethe
