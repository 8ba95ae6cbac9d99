#include "image/boot_reading.hpp"

#include "image/booted_image.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_limit_octets = std::size_t{1} << 30;

}  // namespace

fs::path folder_beside(const fs::path& uki) { return uki.parent_path() / (without_boot_counter(uki.filename().native()) + ".extra.d"); }

Result<OctetView> BootReading::read_once(const fs::path& file) {
    if (const auto known = contents_.find(file); known != contents_.end()) return known->second.octets();
    return contents_.emplace(file, TRY(LargeFile::read(file, file_limit_octets))).first->second.octets();
}

Result<PeImage> BootReading::read_image(const fs::path& file) {
    auto image = parse_pe(TRY(read_once(file)));
    if (!image) return in_context(image.error(), file.native());
    return image;
}

Result<std::vector<CpioFile>> BootReading::read_folder(const std::optional<fs::path>& folder) {
    std::vector<CpioFile> files;
    std::error_code error;
    if (!folder || !fs::exists(*folder, error)) return files;
    for (const auto& entry : fs::directory_iterator(*folder, error)) {
        if (entry.is_directory(error)) continue;
        files.push_back({entry.path().filename().native(), TRY(read_once(entry.path()))});
    }
    if (error) return fail_errno(error.value(), folder->native());
    return files;
}

Result<BootReading> BootReading::read(const BootPaths& paths) {
    BootReading reading;
    reading.files_.uki = TRY(reading.read_image(paths.uki));
    if (paths.loader) reading.files_.loader = TRY(reading.read_image(*paths.loader));
    reading.files_.beside = TRY(reading.read_folder(paths.beside));
    reading.files_.global_credentials = TRY(reading.read_folder(paths.global_credentials));
    reading.files_.global_addons = TRY(reading.read_folder(paths.global_addons));
    return reading;
}

}  // namespace lethe
