#include "lethectl/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <format>

namespace lethe::ctl {
namespace {

bool coloured() {
    static const bool value = [] {
        const char *no_color = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
        return ::isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && std::string{term} == "dumb");
    }();
    return value;
}

std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](unsigned char octet) { return (octet & 0xC0) != 0x80; }));
}

}  // namespace

std::string in_tone(Tone tone, const std::string& text) {
    if (!coloured() || tone == Tone::plain) return text;
    const char* code = tone == Tone::good ? "32" : tone == Tone::bad ? "1;31" : tone == Tone::faint ? "2" : "1";
    return std::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string table(const std::vector<std::vector<Cell>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t column = 0; column < row.size(); ++column) widths[column] = std::max(widths[column], width(row[column].text));
    }
    std::string text;
    for (const auto& row : rows) {
        std::size_t owed = 0;
        for (std::size_t column = 0; column < row.size(); ++column) {
            const auto& cell = row[column];
            if (!cell.text.empty()) text += std::string(owed, ' ') + in_tone(cell.tone, cell.text);
            owed = (cell.text.empty() ? owed : 0) + widths[column] - width(cell.text) + 2;
        }
        text += '\n';
    }
    return text;
}

std::string date_text(std::uint64_t seconds) {
    if (seconds == 0) return "-";
    return std::format("{:%F %R} UTC", std::chrono::sys_seconds{std::chrono::seconds{seconds}});
}

}  // namespace lethe::ctl
