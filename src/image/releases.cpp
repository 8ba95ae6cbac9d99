#include "image/releases.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "image/version.hpp"

namespace lethe {

namespace {

constexpr std::string_view folder_suffix = ".extra.d";

// The release that a file in /EFI/Linux is, or that a folder lies beside.
std::optional<ReleaseName> release_of(std::string_view name) {
    if (!name.ends_with(folder_suffix)) return parse_release_name(name);
    auto release = parse_release_name(name.substr(0, name.size() - folder_suffix.size()));
    return release && !release->tries ? release : std::nullopt;
}

bool is_newer(const StoredRelease& left, const StoredRelease& right) {
    if (const auto order = compare_versions(left.name.version, right.name.version); order != 0) return order > 0;
    if (left.name.version != right.name.version) return left.name.version < right.name.version;
    if (left.complete != right.complete) return left.complete;
    return left.name.file() < right.name.file();
}

std::uint64_t in_clusters(std::uint64_t octets) {
    constexpr std::uint64_t largest_cluster = 64 << 10;
    constexpr std::uint64_t no_disk_has = std::uint64_t{1} << 48;
    return (std::min(octets, no_disk_has) + largest_cluster - 1) / largest_cluster * largest_cluster;
}

}  // namespace

bool begins_as_image(OctetView octets) { return octets.size() >= 2 && octets[0] == 'M' && octets[1] == 'Z'; }

Result<std::vector<StoredRelease>> Releases::stored(const std::string* version) const {
    std::vector<StoredRelease> files, folders;
    for (const std::string& name : TRY(esp_.images().names())) {
        const auto release = release_of(name);
        if (!release || (version && release->version != *version)) continue;
        if (name.ends_with(folder_suffix)) folders.push_back({*release, false});
        else files.push_back({*release, begins_as_image(TRY(esp_.images().read_start(name, 2)))});
    }
    for (StoredRelease& folder : folders) {
        const auto is_beside = [&](const StoredRelease& file) { return file.name.version == folder.name.version; };
        if (std::ranges::none_of(files, is_beside)) files.push_back(std::move(folder));
    }
    std::ranges::sort(files, is_newer);
    return files;
}

Result<std::vector<StoredRelease>> Releases::list() const { return stored(nullptr); }

Result<std::optional<StoredRelease>> Releases::find(const std::string& version) const {
    TRY(check_version(version));
    const auto found = TRY(stored(&version));
    return found.empty() ? std::nullopt : std::optional(found.front());
}

Result<BesideFiles> Releases::beside(const std::string& version) const {
    TRY(check_version(version));
    BesideFiles files;
    const auto folder = esp_.beside(version);
    if (!folder && folder.error().kind == ErrorKind::not_found) return files;
    if (!folder) return std::unexpected(folder.error());
    for (const std::string& name : TRY((*folder)->names()))
        if (is_taken_beside(name)) files[name] = TRY((*folder)->read(name));
    return files;
}

Result<std::uint64_t> Releases::lacks(std::uint64_t image_octets, std::span<const std::uint64_t> beside_octets) const {
    constexpr std::uint64_t longest_name = 1 << 10;  // what a file takes of its folder
    std::uint64_t needed = in_clusters(image_octets) + in_clusters(longest_name);
    if (!beside_octets.empty()) needed += in_clusters(beside_octets.size() * longest_name);
    for (const std::uint64_t octets : beside_octets) needed += in_clusters(octets);
    return needed - std::min(needed, TRY(esp_.images().free_octets()));
}

Result<std::vector<std::string>> Releases::files_of(const std::string& version) const {
    std::vector<std::string> files;
    for (std::string& name : TRY(esp_.images().names()))
        if (const auto release = parse_release_name(name); release && release->version == version) files.push_back(std::move(name));
    return files;
}

Result<void> Releases::check_name(const ReleaseName& name) const {
    TRY(check_version(name.version));
    if (std::ranges::any_of(name.version, [](char letter) { return letter >= 'A' && letter <= 'Z'; }))
        return fail(ErrorKind::invalid_argument, "version {} has capital letters, which FAT and the boot loader take for small ones",
                    name.version);
    for (const std::string& file : TRY(esp_.images().names())) {
        const auto other = release_of(file);
        if (other && other->version != name.version && strcasecmp(other->version.c_str(), name.version.c_str()) == 0)
            return fail(ErrorKind::already_exists, "{}/{} has the name of the release but for capital letters; remove it",
                        esp_.images().place(), file);
    }
    return {};
}

}  // namespace lethe
