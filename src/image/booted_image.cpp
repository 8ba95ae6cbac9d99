#include "image/booted_image.hpp"

#include <algorithm>
#include <array>

#include "image/efi_variable.hpp"
#include "image/release.hpp"

namespace lethe {

namespace {

bool has_variable(const std::filesystem::path& efivars, std::string_view name) {
    const auto value = read_efi_variable(efivars, name, loader_vendor);
    return value || value.error().kind != ErrorKind::not_found;
}

// A file's path on the ESP, such as "\EFI\Linux\lethe_1.efi" in UTF-16LE, as a relative path.
Result<std::filesystem::path> read_image_path(const std::filesystem::path& efivars, std::string_view name) {
    std::string text = TRY(read_loader_text(efivars, name));
    if (TRY(outlives_boot(efivars, name)))
        return fail(ErrorKind::corrupt,
                    "EFI variable {} outlives boots: another system has left it, and it hides what this boot has to say", name);
    std::ranges::replace(text, '\\', '/');
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
        if (entry.is_regular_file(error) &&
            is_same_on_fat(without_boot_counter(entry.path().filename()), without_boot_counter(file.filename())))
            return entry.path();
    return {};
}

Result<std::filesystem::path> find_on_esp(std::span<const std::filesystem::path> esps, const std::filesystem::path& image) {
    for (const auto& esp : esps)
        if (auto found = find_file(esp / image)) return *found;
    return fail(ErrorKind::io, "{} was booted and is on no ESP that is mounted: mount it on /efi, or put the file back", image.native());
}

// A variable of this name that another system has left hides that of the boot loader, which has renamed the file even so.
bool is_counted(const std::filesystem::path& efivars, const std::string& booted_as) {
    const auto lasts = outlives_boot(efivars, "LoaderBootCountPath");
    if (!lasts) return false;
    const auto path = read_image_path(efivars, "LoaderBootCountPath");
    if (!*lasts) return path && is_same_on_fat(path->filename().native(), booted_as);
    const auto name = parse_release_name(booted_as);
    return name && name->tries && name->tries->done > 0;
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

bool is_same_on_fat(std::string_view left, std::string_view right) {
    const auto small = [](char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; };
    return std::ranges::equal(left, right, {}, small, small);
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
    const auto uki = read_image_path(efivars, "StubImageIdentifier");
    const auto file = uki.and_then([&](const auto& path) { return find_on_esp(esps, path); });
    // The variable that tells them apart may have been removed in this boot, as one that another system had left.
    if (!file && booted_from_network(efivars)) return image;
    if (!uki && uki.error().kind == ErrorKind::not_found)
        return fail(ErrorKind::corrupt, "systemd-stub does not say which file was booted");
    image.uki = TRY(file);
    image.booted_as = uki->filename();
    image.counted = is_counted(efivars, image.booted_as);
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
