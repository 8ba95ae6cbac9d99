#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/octets.hpp"
#include "base/result.hpp"

namespace lethe {

/// tor's own are of 2 to 30 KiB; what is larger is no state file, or one that has grown by mistake.
inline constexpr std::size_t state_file_limit_octets = 1 << 20;

/// A line of a state file that is no comment. Borrows.
struct StateLine {
    unsigned number;         ///< from 1
    std::string_view key;    ///< A-Z, a-z, 0-9 and '_', at most 64
    std::string_view value;  ///< printable ASCII, or empty
};

/// Takes a state file apart, in the one form in which tor writes it: `KEY VALUE`, comments and empty lines. The other forms that tor reads
/// (quoted and continued values, comments behind a value, white space before a key) it does not write, and they are refused: each is a way
/// to read a file otherwise than tor does.
/// @error corrupt  too large; an octet that is neither printable ASCII nor a line's end; a last line that is cut short; another form.
/// Source: tor 0.4.9, lib/encoding/confline.c.
Result<std::vector<StateLine>> split_state_file(OctetView file);

/// No time is so late, so that adding an interval leaves four digits for the year.
inline constexpr std::chrono::sys_seconds state_time_end = std::chrono::sys_days(std::chrono::year(9999) / 1 / 1);

/// A time as tor writes it, `YYYY-MM-DD HH:MM:SS`, from 1970 to 9998. More strictly than tor, which takes `2026-2-30 1:00:60` as well.
std::optional<std::chrono::sys_seconds> parse_state_time(std::string_view text);
std::string state_time(std::chrono::sys_seconds time);

/// A number of decimal digits alone, not above `limit`.
std::optional<std::uint64_t> parse_state_number(std::string_view text, std::uint64_t limit);

}  // namespace lethe
