#include "measure/uki.hpp"

#include <algorithm>

namespace lethe {
namespace {

// The order of the stub's table is the order in which it measures.
constexpr std::array<std::string_view, 14> stub_sections{".linux", ".osrel", ".cmdline", ".initrd",  ".ucode",   ".splash",  ".dtb",
                                                         ".uname", ".sbat",  ".pcrsig",  ".pcrpkey", ".profile", ".dtbauto", ".hwids"};
// A kernel that is given its SizeOfImage has tens of megabytes of zeros. Without a limit, a few octets would have gigabytes hashed.
constexpr std::size_t zeros_limit = std::size_t{128} << 20;

using Sections = std::span<const PeSection>;
using Chosen = std::array<const PeSection*, stub_sections.size()>;

bool is_profile(const PeSection& section) { return section.name == ".profile"; }

Sections base_sections(Sections all) { return all.first(static_cast<std::size_t>(std::ranges::find_if(all, is_profile) - all.begin())); }

// From the profile's .profile to the next.
std::optional<Sections> profile_sections(Sections all, unsigned profile) {
    auto start = std::ranges::find_if(all, is_profile);
    for (; profile > 0 && start != all.end(); --profile) start = std::find_if(std::next(start), all.end(), is_profile);
    if (start == all.end()) return std::nullopt;
    return Sections(start, std::find_if(std::next(start), all.end(), is_profile));
}

// The first of a name counts. One without contents hides that of the base.
void choose(Sections from, Chosen& chosen) {
    for (std::size_t index = 0; index < stub_sections.size(); ++index) {
        const auto found = std::ranges::find(from, stub_sections[index], &PeSection::name);
        if (found != from.end() && found->name != ".dtbauto") chosen[index] = &*found;
    }
}

Result<const PeSection*> choose_device_tree(Sections base, Sections profile, std::size_t number) {
    for (const Sections part : {base, profile})
        for (const PeSection& section : part)
            if (section.name == ".dtbauto" && number-- == 0) return &section;
    return fail(ErrorKind::not_found, "the image has no .dtbauto with the number that was asked for");
}

bool overlap_in_memory(const PeSection& left, const PeSection& right) {
    const auto end = [](const PeSection& section) {
        return std::size_t{section.address} + (section.virtual_size ? section.virtual_size : section.raw_size);
    };
    return left.address < end(right) && right.address < end(left);
}

Result<std::vector<UkiSection>> in_memory(Sections all, const Chosen& chosen) {
    std::vector<UkiSection> sections;
    std::size_t zeros = 0;
    for (const PeSection* section : chosen) {
        if (!section || section->virtual_size == 0) continue;
        const auto overlaps = [&](const PeSection& other) { return &other != section && overlap_in_memory(*section, other); };
        if (std::ranges::any_of(all, overlaps))
            return fail(ErrorKind::corrupt, "the image's section {} overlaps another one in memory", section->name);
        const std::size_t there = std::min(section->raw_size, section->virtual_size);
        sections.push_back({section->name, section->octets.first(there), section->virtual_size - there});
        zeros += sections.back().zeros;
    }
    if (zeros > zeros_limit) return fail(ErrorKind::corrupt, "the image's sections end in {} octets of zeros, too many to be meant", zeros);
    return sections;
}

}  // namespace

Result<std::vector<UkiSection>> uki_sections(const PeImage& image, UkiChoice choice) {
    const Sections base = base_sections(image.sections);
    const auto profile = profile_sections(image.sections, choice.profile);
    if (!profile && choice.profile != 0) return fail(ErrorKind::not_found, "the image has no profile {}", choice.profile);
    Chosen chosen{};
    choose(base, chosen);
    if (profile) choose(*profile, chosen);
    if (choice.device_tree) {
        const auto place = std::ranges::find(stub_sections, ".dtbauto") - stub_sections.begin();
        chosen[static_cast<std::size_t>(place)] = TRY(choose_device_tree(base, profile.value_or(Sections()), *choice.device_tree));
    }
    auto sections = TRY(in_memory(image.sections, chosen));
    if (!find_section(sections, ".linux")) return fail(ErrorKind::corrupt, "the image is no UKI: it has no .linux section");
    return sections;
}

Result<std::vector<UkiSection>> addon_sections(const PeImage& image) {
    Chosen chosen{};
    choose(image.sections, chosen);
    auto sections = TRY(in_memory(image.sections, chosen));
    if (find_section(sections, ".linux")) return fail(ErrorKind::corrupt, "the image is a UKI and no addon: it has a .linux section");
    return sections;
}

std::string_view text_of(const UkiSection& section) {
    const std::string_view text = as_text(section.octets);
    return text.substr(0, text.find('\0'));
}

const UkiSection* find_section(std::span<const UkiSection> sections, std::string_view name) {
    const auto found = std::ranges::find(sections, name, &UkiSection::name);
    return found == sections.end() ? nullptr : &*found;
}

std::vector<MeasuredEvent> measured_sections(std::span<const UkiSection> sections, std::span<const Bank> banks, BankHashes* initrd) {
    std::vector<MeasuredEvent> events;
    for (const UkiSection& section : sections) {
        // It holds the signatures of what PCR 11 will be.
        if (section.name == ".pcrsig") continue;
        const std::string name(section.name);
        const OctetView with_nul = as_octets(std::string_view(name.c_str(), name.size() + 1));
        events.push_back(measured(pcr::kernel_boot, name + ": name", with_nul, banks));
        BankHashes contents(banks);
        contents.update(section.octets).zeros(section.zeros);
        if (initrd && name == ".initrd") *initrd = contents;
        events.push_back({pcr::kernel_boot, name + ": contents", contents.finish()});
    }
    return events;
}

MeasuredEvent measured_phase(std::string_view phase, std::span<const Bank> banks) {
    return measured(pcr::kernel_boot, std::string(phase), as_octets(phase), banks);
}

}  // namespace lethe
