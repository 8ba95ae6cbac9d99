#include "lethectl/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
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

std::string list_text(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text.empty() ? "-" : text;
}

std::string date_text(std::uint64_t seconds) {
    if (seconds == 0) return "-";
    return std::format("{:%F %R} UTC", std::chrono::sys_seconds{std::chrono::seconds{seconds}});
}

std::string size_text(std::uint64_t octets) {
    if (octets < 1000) return std::format("{} B", octets);
    // In tenths of the unit, rounded, so that 999950 is 1.0 MB and not 1000.0 KB.
    static constexpr std::array units = {"KB", "MB", "GB", "TB"};
    std::uint64_t step = 100;
    for (std::size_t unit = 0;; ++unit, step *= 1000) {
        const auto tenths = octets / step + (octets % step >= step / 2 ? 1 : 0);
        if (tenths < 10000 || unit + 1 == units.size())
            return tenths < 1000 ? std::format("{}.{} {}", tenths / 10, tenths % 10, units[unit])
                                 : std::format("{} {}", tenths / 10, units[unit]);
    }
}

std::string rate_text(std::uint64_t octets) { return size_text(octets) + "/s"; }

std::string age_text(std::uint64_t then, std::uint64_t now) {
    if (then == 0) return "-";
    if (then > now + 60) return "clock behind";
    const auto seconds = now > then ? now - then : 0;
    if (seconds < 60) return std::format("{} s", seconds);
    if (seconds < 60 * 60) return std::format("{} min", seconds / 60);
    if (seconds < 48 * 3600) return std::format("{} h", seconds / 3600);
    return std::format("{} d", seconds / 86400);
}

std::string duration_text(std::uint64_t seconds) {
    const auto of = [](std::uint64_t count, const char* unit) { return std::format("{} {}{}", count, unit, count == 1 ? "" : "s"); };
    if (seconds < 60) return of(seconds, "second");
    if (seconds < 60 * 60) return of(seconds / 60, "minute");
    if (seconds < 48 * 3600) return of(seconds / 3600, "hour");
    // A flag may hang on tenths of a day.
    const auto tenths = seconds / 8640;
    return tenths < 100 && tenths % 10 != 0 ? std::format("{}.{} days", tenths / 10, tenths % 10) : of(tenths / 10, "day");
}

std::string moment_text(std::uint64_t then, std::uint64_t now) {
    return then <= now ? "now" : std::format("{}, in {}", date_text(then), duration_text(then - now));
}

}  // namespace lethe::ctl
