#include "image/release.hpp"

#include <algorithm>
#include <charconv>
#include <format>

#include "image/booted_image.hpp"
#include "image/version.hpp"

namespace lethe {
namespace {

constexpr std::string_view prefix = "lethe_", suffix = ".efi";
constexpr std::size_t version_limit = 64;  // the name of the folder beside it has to fit FAT

bool is_version(std::string_view text) {
    return !text.empty() && text.size() <= version_limit && text[0] >= '0' && text[0] <= '9' && std::ranges::all_of(text, is_of_a_version);
}

std::optional<unsigned> parse_count(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<BootTries> parse_tries(std::string_view text) {
    const auto dash = text.find('-');
    const auto left = parse_count(text.substr(0, dash));
    const auto done = dash == std::string_view::npos ? 0 : parse_count(text.substr(dash + 1));
    if (!left || !done) return std::nullopt;
    return BootTries{*left, *done};
}

}  // namespace

std::string ReleaseName::file() const {
    if (!tries) return std::format("{}{}{}", prefix, version, suffix);
    if (tries->done == 0) return std::format("{}{}+{}{}", prefix, version, tries->left, suffix);
    return std::format("{}{}+{}-{}{}", prefix, version, tries->left, tries->done, suffix);
}

std::optional<ReleaseName> parse_release_name(std::string_view file) {
    // To FAT and to the boot loader capital letters are small ones.
    if (file.size() < prefix.size() + suffix.size() || !is_same_on_fat(file.substr(0, prefix.size()), prefix) ||
        !is_same_on_fat(file.substr(file.size() - suffix.size()), suffix))
        return std::nullopt;
    file.remove_prefix(prefix.size());
    file.remove_suffix(suffix.size());
    const auto plus = file.find('+');
    ReleaseName name{.version = std::string(file.substr(0, plus))};
    if (!is_version(name.version)) return std::nullopt;
    if (plus == std::string_view::npos) return name;
    name.tries = parse_tries(file.substr(plus + 1));
    if (!name.tries) return std::nullopt;
    return name;
}

Result<void> check_version(const std::string& version) {
    if (!is_version(version))
        return fail(ErrorKind::invalid_argument,
                    "that is no version of a release: it begins with a digit and has letters, digits and \".~^-\" besides, {} at most",
                    version_limit);
    return {};
}

std::string folder_beside_release(const std::string& version) { return ReleaseName{version}.file() + ".extra.d"; }

}  // namespace lethe
