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

/// "a, b"; "-" for none.
std::string list_text(const std::vector<std::string>& words);

/// Seconds since the epoch as "2026-11-21 22:15 UTC"; "-" for 0.
std::string date_text(std::uint64_t seconds);

/// Octets as "8.1 KB", a thousand to the KB.
std::string size_text(std::uint64_t octets);

/// Octets a second as "3.2 MB/s".
std::string rate_text(std::uint64_t octets);

/// How long ago something was, as "12 min", "3 h", "2 d", rounded down; "-" when that is not known.
/// @param then, now  seconds since the epoch. When the clock is behind by more than a minute, that is what is said.
std::string age_text(std::uint64_t then, std::uint64_t now);

/// How long something is in words, rounded down: "45 seconds", "1 hour", "4.7 days".
std::string duration_text(std::uint64_t seconds);

/// A moment that is to come: "2026-11-21 22:15 UTC, in 3 hours"; "now" when it is not later than that.
/// @param then, now  seconds since the epoch.
std::string moment_text(std::uint64_t then, std::uint64_t now);

}  // namespace lethe::ctl
