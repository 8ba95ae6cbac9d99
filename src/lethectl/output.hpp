#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::ctl {

enum class Tone { plain, good, bad, faint, strong };

/// The text in a colour, when standard output is a terminal and NO_COLOR is not set.
std::string in_tone(Tone tone, const std::string& text);

struct Cell {
    std::string text;
    Tone tone = Tone::plain;
};

/// Rows of cells with their columns aligned, two spaces between, nothing at the ends of lines. Widths count code points.
std::string table(const std::vector<std::vector<Cell>>& rows);

/// Seconds since the epoch as "2026-11-21 22:15 UTC"; "-" for 0.
std::string date_text(std::uint64_t seconds);

}  // namespace lethe::ctl
