#include "image/beside_files.hpp"

#include <algorithm>
#include <set>

#include "base/disk.hpp"
#include "measure/addon.hpp"

namespace lethe {

namespace {

constexpr std::size_t files_limit = 128;

constexpr char small(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

bool is_plain(char letter) {
    return (letter >= '0' && letter <= '9') || (small(letter) >= 'a' && small(letter) <= 'z') ||
           std::string_view("-._+@~").contains(letter);
}

}  // namespace

bool is_taken_beside(std::string_view name) {
    return is_taken(cpio_credentials, name) || is_taken(cpio_sysext, name) || is_taken(cpio_confext, name) || is_addon(name);
}

Result<void> check_beside_name(const std::string& name) {
    if (!std::ranges::all_of(name, is_plain))
        return fail(ErrorKind::invalid_argument,
                    "the name of a file beside a release has other characters than letters, digits and \"-._+@~\"; give it another one");
    if (!is_taken_beside(name))
        return fail(ErrorKind::invalid_argument,
                    "\"{}\" is not what a release takes beside it: name it *.cred, *.raw, *.confext.raw or *.addon.efi", name);
    return {};
}

Result<void> check_beside_files(const BesideFiles& files) {
    if (files.size() > files_limit)
        return fail(ErrorKind::invalid_argument, "{} files beside a release; it can have {} at most", files.size(), files_limit);
    std::set<std::string> on_fat;
    for (const auto& [name, octets] : files) {
        TRY(check_beside_name(name));
        std::string folded = name;
        std::ranges::transform(folded, folded.begin(), small);
        if (!on_fat.insert(std::move(folded)).second)
            return fail(ErrorKind::invalid_argument, "{} is there in capital and in small letters, which are one file on the ESP", name);
        if (octets.size() > disk_file_limit_octets)
            return fail(ErrorKind::invalid_argument, "{} has {} octets; a file beside a release has {} at most", name, octets.size(),
                        disk_file_limit_octets);
    }
    return {};
}

}  // namespace lethe
