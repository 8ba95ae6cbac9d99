// The sections of a UKI or an addon as the stub measures them. The input is the profile, the device tree and the image.

#include <algorithm>

#include "fuzz.hpp"
#include "measure/command_line.hpp"
#include "measure/uki.hpp"

using namespace lethe;
using fuzz::require;

constexpr std::array banks{Bank::sha256};

static void check(const std::vector<UkiSection>& sections) {
    const auto events = measured_sections(sections, banks);
    const bool has_signatures = find_section(sections, ".pcrsig") != nullptr;
    require(events.size() == 2 * (sections.size() - has_signatures), "name and contents of each section but the signatures");
    for (const MeasuredEvent& event : events) require(event.pcr == 11 && event.digests.size() == 1, "an event is one extend of PCR 11");
    const UkiSection* line = find_section(sections, ".cmdline");
    if (!line) return;
    const std::u16string text = cleaned_command_line(stub_text(as_text(line->octets)));
    require(std::ranges::none_of(text, [](char16_t letter) { return letter < 0x20; }), "a cleaned command line is one line");
    require(cleaned_command_line(text) == text, "a cleaned command line is clean");
    require(load_options(text).size() == 2 * text.size() + 2, "two octets a letter, and the NUL");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    UkiChoice choice{.profile = input.u8(), .device_tree = {}};
    if (const std::uint8_t tree = input.u8(); tree > 0) choice.device_tree = tree - 1;
    const auto image = parse_pe(input.rest());
    if (!fuzz::parsed(image)) return 0;
    if (const auto sections = uki_sections(*image, choice); fuzz::parsed(sections, {ErrorKind::corrupt, ErrorKind::not_found})) {
        require(find_section(*sections, ".linux") != nullptr, "a UKI has a kernel");
        check(*sections);
    }
    if (const auto sections = addon_sections(*image); fuzz::parsed(sections)) check(*sections);
    return 0;
}
