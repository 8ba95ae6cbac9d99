#include "image/trial.hpp"

#include "image/efi_variable.hpp"
#include "image/release.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// Whether another release lies beside this one that the boot loader takes before it.
bool has_fallback(const fs::path& uki) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(uki.parent_path(), error)) {
        const auto name = parse_release_name(entry.path().filename().native());
        if (name && entry.path() != uki && entry.is_regular_file(error) && (!name->tries || name->tries->left > 0)) return true;
    }
    return false;
}

}  // namespace

Result<bool> on_trial(const fs::path& efivars, const Result<BootedImage>& image) {
    std::error_code error;
    if (!image) {
        if (!fs::exists(efivars / std::format("LoaderBootCountPath-{}", loader_vendor), error)) return false;
        return std::unexpected(image.error());
    }
    if (!image->uki) return false;
    const std::string file = image->uki->filename();
    // What the boot loader has not counted, lethe-updated counts, or nobody does.
    if (!image->counted && is_same_on_fat(file, image->booted_as)) return false;
    const auto release = parse_release_name(file);
    if (!release) return without_boot_counter(file) != file;
    return release->tries && (release->tries->left > 0 || has_fallback(*image->uki));
}

Result<bool> on_trial() { return on_trial("/sys/firmware/efi/efivars", find_booted_image()); }

}  // namespace lethe
