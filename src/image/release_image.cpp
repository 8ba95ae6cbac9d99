#include "image/release_image.hpp"

#include <algorithm>
#include <ranges>

#include "image/release.hpp"

namespace lethe {
namespace {

// The value of NAME= in lines or words such as os-release and a kernel command line have them.
std::string value_of(std::string_view text, char separator, std::string_view name) {
    std::string found;
    for (const auto part : std::views::split(text, separator)) {
        std::string_view line(part.begin(), part.end());
        if (!line.starts_with(name) || !line.substr(name.size()).starts_with('=')) continue;
        line.remove_prefix(name.size() + 1);
        if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
        found = line;  // the last one counts, as for the shell and the kernel
    }
    return found;
}

// "#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####". Source: systemd 257, src/boot/stub.c, DECLARE_SDMAGIC.
std::string stub_version(const PeImage& image) {
    constexpr std::string_view start = "#### LoaderInfo: systemd-stub ", end = " ####";
    const auto section = std::ranges::find(image.sections, ".sdmagic", &PeSection::name);
    if (section == image.sections.end()) return {};
    const std::string_view text = as_text(section->octets);
    const auto from = text.find(start), to = text.find(end, from == text.npos ? 0 : from + start.size());
    if (from == text.npos || to == text.npos) return {};
    return std::string(text.substr(from + start.size(), to - from - start.size()));
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Result<ReleaseImage> read(OctetView file) {
    ReleaseImage image{.pe = TRY(parse_pe(file)), .version = {}, .profile = {}, .stub = {}};
    image.stub = stub_version(image.pe);
    if (image.stub.empty()) return fail(ErrorKind::corrupt, "it has no systemd-stub");
    const auto sections = TRY(uki_sections(image.pe));
    const UkiSection *release = find_section(sections, ".osrel"), *command_line = find_section(sections, ".cmdline");
    if (!release || value_of(text_of(*release), '\n', "IMAGE_ID") != "lethe")
        return fail(ErrorKind::corrupt, "its os-release has no IMAGE_ID=lethe");
    image.version = value_of(text_of(*release), '\n', "IMAGE_VERSION");
    if (parse_release_name(ReleaseName{image.version}.file()) != ReleaseName{image.version})
        return fail(ErrorKind::corrupt, "its os-release has no IMAGE_VERSION that a release can have");
    if (command_line) image.profile = value_of(text_of(*command_line), ' ', "lethe.profile");
    if (!is_printable(image.stub) || !is_printable(image.profile))
        return fail(ErrorKind::corrupt, "its systemd-stub or its profile has a name that cannot be shown");
    return image;
}

}  // namespace

Result<ReleaseImage> read_release_image(OctetView file) {
    auto image = read(file);
    if (!image) return in_context(image.error(), "not a release of Lethe");
    return image;
}

Result<void> check_stub(const ReleaseImage& image) {
    const auto major = image.stub.substr(0, image.stub.find_first_not_of("0123456789"));
    if (major == predicted_systemd) return {};
    return fail(ErrorKind::policy_mismatch,
                "release {} starts with systemd-stub {}, and this release knows what {} measures: update to a release in between first",
                image.version, image.stub, predicted_systemd);
}

}  // namespace lethe
