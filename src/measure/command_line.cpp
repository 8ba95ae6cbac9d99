#include "measure/command_line.hpp"

#include <algorithm>
#include <bit>

namespace lethe {
namespace {

struct Character {
    std::optional<std::uint32_t> value;
    std::size_t length = 1;
};

// Takes lengths up to 6 and overlong forms, as the stub does.
Character first_character(std::string_view text) {
    const auto octet = [&](std::size_t index) { return static_cast<std::uint8_t>(text[index]); };
    const unsigned leading = static_cast<unsigned>(std::countl_one(octet(0)));
    if (leading == 0) return {octet(0), 1};
    if (leading == 1 || leading > 6) return {};
    Character character{std::nullopt, leading};
    if (leading > text.size()) return character;
    std::uint32_t value = octet(0) & (0x7fU >> leading);
    for (std::size_t index = 1; index < leading; ++index) {
        if ((octet(index) & 0xc0) != 0x80) return character;
        value = value << 6 | (octet(index) & 0x3f);
    }
    character.value = value;
    return character;
}

bool is_space(char16_t character) { return character <= 0x20 || character == 0x7f; }

}  // namespace

std::u16string stub_text(std::string_view utf8) {
    std::u16string text;
    while (!utf8.empty() && utf8.front() != '\0') {
        const Character character = first_character(utf8);
        utf8.remove_prefix(std::min(character.length, utf8.size()));
        if (!character.value || *character.value > 0xffff || (*character.value >= 0xd800 && *character.value < 0xe000)) continue;
        text += static_cast<char16_t>(*character.value);
    }
    // An overlong NUL ends what is read later.
    return text.substr(0, text.find(u'\0'));
}

std::u16string cleaned_command_line(std::u16string_view line) {
    line = line.substr(0, line.find(u'\0'));
    const auto first = std::ranges::find_if_not(line, is_space);
    const auto last = std::find_if_not(line.rbegin(), std::make_reverse_iterator(first), is_space).base();
    std::u16string cleaned(first, last);
    std::ranges::replace_if(cleaned, is_space, u' ');
    return cleaned;
}

std::u16string joined_addons(std::span<const std::string_view> command_lines) {
    std::u16string joined;
    for (const std::string_view line : command_lines) {
        if (!joined.empty()) joined += u' ';
        joined += cleaned_command_line(stub_text(line));
    }
    return cleaned_command_line(joined);
}

Octets load_options(std::u16string_view line) {
    Octets octets;
    octets.reserve(2 * line.size() + 2);
    for (const char16_t character : line) {
        octets.push_back(static_cast<std::uint8_t>(character));
        octets.push_back(static_cast<std::uint8_t>(character >> 8));
    }
    octets.resize(octets.size() + 2);
    return octets;
}

std::optional<MeasuredEvent> measured_command_line(std::u16string_view line, std::string what, std::span<const Bank> banks) {
    if (line.empty()) return std::nullopt;
    return measured(pcr::kernel_config, std::move(what), load_options(line), banks);
}

std::optional<MeasuredEvent> measured_profile(unsigned profile, std::span<const Bank> banks) {
    if (profile == 0) return std::nullopt;
    const std::string number = std::to_string(profile);
    return measured(pcr::kernel_config, "profile " + number, load_options(stub_text(number)), banks);
}

}  // namespace lethe
