#include "measure/addon.hpp"

#include <algorithm>
#include <array>

namespace lethe {
namespace {

// The files are chosen as those of an archive are.
constexpr CpioTarget addon_files{"", 0, 0, 0, "", ".addon.efi", ""};
constexpr std::array<std::string_view, 3> taken_sections{".cmdline", ".initrd", ".ucode"};

bool has(std::span<const UkiSection> sections, std::string_view name) { return find_section(sections, name) != nullptr; }

// The stub compares as many octets as the addon's section has: without a NUL in it, the beginning of the UKI's .uname is enough.
bool fits_kernel(std::span<const UkiSection> sections, std::optional<std::string_view> uname) {
    const UkiSection* const wanted = find_section(sections, ".uname");
    if (!wanted || !uname) return true;
    const std::string_view text = text_of(*wanted);
    const bool ends = text.size() < wanted->octets.size() || wanted->zeros > 0;
    return ends ? text == *uname : uname->starts_with(text);
}

Result<Addon> read_addon(const CpioFile& file, std::optional<std::string_view> uname) {
    Addon addon{.name = file.name, .image = TRY(parse_pe(file.octets)), .sections = {}};
    addon.sections = TRY(addon_sections(addon.image));
    if (has(addon.sections, ".dtb") || std::ranges::contains(addon.image.sections, ".dtbauto", &PeSection::name))
        return fail(ErrorKind::corrupt, "a device tree, which Lethe does not predict; leave it out");
    addon.fits = std::ranges::any_of(taken_sections, [&](std::string_view name) { return has(addon.sections, name); }) &&
                 fits_kernel(addon.sections, uname);
    return addon;
}

}  // namespace

bool is_addon(std::string_view name) { return is_taken(addon_files, name); }

Result<std::vector<Addon>> find_addons(std::span<const CpioFile> files, std::optional<std::string_view> uname) {
    std::vector<Addon> addons;
    for (const CpioFile& file : files) {
        if (!is_addon(file.name)) continue;
        auto addon = read_addon(file, uname);
        if (!addon) return in_context(addon.error(), file.name);
        addons.push_back(*std::move(addon));
    }
    std::ranges::sort(addons, {}, &Addon::name);
    return addons;
}

}  // namespace lethe
