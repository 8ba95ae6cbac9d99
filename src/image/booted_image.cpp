#include "image/booted_image.hpp"

#include <algorithm>
#include <array>

#include "image/efi_variable.hpp"

namespace lethe {

namespace {

bool has_variable(const std::filesystem::path& efivars, std::string_view name) {
    const auto value = read_efi_variable(efivars, name, loader_vendor);
    return value || value.error().kind != ErrorKind::not_found;
}

// A file's path on the ESP, such as "\EFI\Linux\lethe_1.efi" in UTF-16LE, as a relative path.
Result<std::filesystem::path> read_image_path(const std::filesystem::path& efivars, std::string_view name) {
    const Octets octets = TRY(read_efi_variable(efivars, name, loader_vendor));
    std::string text;
    for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
        const char c = static_cast<char>(octets[i]);
        if (c == 0 && octets[i + 1] == 0) break;
        if (octets[i + 1] != 0 || c < ' ' || c > '~')
            return fail(ErrorKind::corrupt, "EFI variable {} holds a path that is not plain ASCII", name);
        text += c == '\\' ? '/' : c;
    }
    const auto path = std::filesystem::path(text).relative_path();
    if (path.empty() || std::ranges::contains(path, ".."))
        return fail(ErrorKind::corrupt, "EFI variable {} does not hold the path of a file", name);
    return path;
}

// The file, or its namesake with other tries left: marking a boot as good renames the UKI.
std::optional<std::filesystem::path> find_file(const std::filesystem::path& file) {
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error)) return file;
    for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), error))
        if (entry.is_regular_file(error) && without_boot_counter(entry.path().filename()) == without_boot_counter(file.filename()))
            return entry.path();
    return {};
}

Result<std::filesystem::path> find_on_esp(std::span<const std::filesystem::path> esps, const std::filesystem::path& image) {
    for (const auto& esp : esps)
        if (auto found = find_file(esp / image)) return *found;
    return fail(ErrorKind::wrong_state, "{} was booted and is on no ESP that is mounted: mount it on /efi", image.native());
}

}  // namespace

std::string without_boot_counter(const std::string& file_name) {
    const std::filesystem::path path(file_name);
    const std::string stem = path.stem();
    const auto plus = stem.rfind('+');
    if (plus == std::string::npos || plus + 1 == stem.size()) return file_name;
    const std::string_view tries = std::string_view(stem).substr(plus + 1);
    if (tries.find_first_not_of("0123456789-") != std::string_view::npos || std::ranges::count(tries, '-') > 1) return file_name;
    return stem.substr(0, plus) + path.extension().native();
}

bool booted_from_network(const std::filesystem::path& efivars) {
    return has_variable(efivars, "StubInfo") && !has_variable(efivars, "LoaderDevicePartUUID");
}

Result<BootedImage> find_booted_image(const std::filesystem::path& efivars, std::span<const std::filesystem::path> esps) {
    if (!has_variable(efivars, "StubInfo"))
        return fail(ErrorKind::wrong_state,
                    "this machine was not booted from a unified kernel image with systemd-stub, so there is nothing to lock to");
    const SecureBoot secure_boot = TRY(read_secure_boot(efivars));
    BootedImage image{
        .secure_boot = secure_boot == SecureBoot::on, .uki = {}, .loader = {}, .setup_mode = secure_boot == SecureBoot::setup};
    if (booted_from_network(efivars)) return image;
    const auto uki = read_image_path(efivars, "StubImageIdentifier");
    if (!uki && uki.error().kind == ErrorKind::not_found)
        return fail(ErrorKind::wrong_state, "systemd-stub does not say which file was booted, so there is nothing to lock to");
    image.uki = TRY(find_on_esp(esps, TRY(uki)));
    const auto loader = read_image_path(efivars, "LoaderImageIdentifier");
    if (!loader && loader.error().kind == ErrorKind::not_found) return image;
    image.loader = TRY(find_on_esp(esps, TRY(loader)));
    return image;
}

Result<BootedImage> find_booted_image() {
    static const std::array<std::filesystem::path, 3> esps{"/efi", "/boot/efi", "/boot"};
    return find_booted_image("/sys/firmware/efi/efivars", esps);
}

}  // namespace lethe
