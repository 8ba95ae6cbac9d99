#include "base/printable.hpp"

#include <algorithm>
#include <cstdint>
#include <format>
#include <optional>

namespace lethe {
namespace {

struct CodePoint {
    char32_t value;
    std::size_t octets;
};

// The code point that the text begins with; none when that is not UTF-8 in its shortest form.
std::optional<CodePoint> first_of(std::string_view text) {
    const auto octet = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
    const std::uint8_t lead = octet(0);
    if (lead < 0x80) return CodePoint{lead, 1};
    const std::size_t octets = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < octets) return std::nullopt;
    char32_t value = lead & (0x7fu >> octets);
    for (std::size_t i = 1; i < octets; ++i) {
        if ((octet(i) & 0xc0) != 0x80) return std::nullopt;
        value = value << 6 | (octet(i) & 0x3fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[octets] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
    return CodePoint{value, octets};
}

bool is_control(char32_t value) { return value < 0x20 || (value >= 0x7f && value <= 0x9f); }

// Line and paragraph separators, marks, embeddings, overrides and isolates of direction, and the byte order mark.
bool is_unseen(char32_t value) {
    return value == 0x061c || value == 0x200e || value == 0x200f || (value >= 0x2028 && value <= 0x202e) ||
           (value >= 0x2066 && value <= 0x2069) || value == 0xfeff;
}

bool is_white(char32_t value) { return value == '\n' || value == '\r' || value == '\t'; }

}  // namespace

std::string printable(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
        const auto found = first_of(text);
        const std::size_t octets = found ? found->octets : 1;
        if (!found) shown += std::format("\\x{:02x}", static_cast<std::uint8_t>(text[0]));
        else if (is_white(found->value)) shown += ' ';
        else if (is_control(found->value)) shown += std::format("\\x{:02x}", static_cast<std::uint32_t>(found->value));
        else if (is_unseen(found->value)) shown += std::format("\\u{:04x}", static_cast<std::uint32_t>(found->value));
        else shown += text.substr(0, octets);
        text.remove_prefix(octets);
    }
    return shown;
}

}  // namespace lethe
