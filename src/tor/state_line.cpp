#include "tor/state_line.hpp"

#include <algorithm>
#include <charconv>

namespace lethe {

namespace {

constexpr std::size_t key_limit_octets = 64;

bool is_key_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

Result<StateLine> parse_line(unsigned number, std::string_view line) {
    if (std::ranges::any_of(line, [](char c) { return c < ' ' || c > '~'; }))
        return fail(ErrorKind::corrupt, "line {} has an octet that is not printable ASCII", number);
    const std::size_t space = std::min(line.find(' '), line.size());
    const StateLine parts{number, line.substr(0, space), line.substr(std::min(space + 1, line.size()))};
    if (line.empty() || line.starts_with('#')) return parts;
    if (parts.key.empty() || parts.key.size() > key_limit_octets || !std::ranges::all_of(parts.key, is_key_letter))
        return fail(ErrorKind::corrupt, "line {} does not start with a key", number);
    // tor skips all white space before a value, and then looks for a quotation mark.
    if (parts.value.starts_with(' ') || parts.value.starts_with('"') || parts.value.contains('#') || parts.value.ends_with('\\'))
        return fail(ErrorKind::corrupt, "line {}: the value of {} is indented, quoted, continued or has a comment, as tor writes none",
                    number, parts.key);
    return parts;
}

}  // namespace

Result<std::vector<StateLine>> split_state_file(OctetView file) {
    if (file.size() > state_file_limit_octets)
        return fail(ErrorKind::corrupt, "{} octets, more than {}", file.size(), state_file_limit_octets);
    std::string_view text = as_text(file);
    if (!text.ends_with('\n')) return fail(ErrorKind::corrupt, "cut short: the last line does not end");
    std::vector<StateLine> lines;
    for (unsigned number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 1);
        const StateLine parts = TRY(parse_line(number, line));
        if (!line.empty() && !line.starts_with('#')) lines.push_back(parts);
    }
    return lines;
}

std::optional<std::uint64_t> parse_state_number(std::string_view text, std::uint64_t limit) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number > limit) return {};
    return number;
}

std::optional<std::chrono::sys_seconds> parse_state_time(std::string_view text) {
    using namespace std::chrono;
    constexpr std::string_view form = "0000-00-00 00:00:00";
    const auto has_form = [](char c, char expected) { return expected == '0' ? c >= '0' && c <= '9' : c == expected; };
    if (!std::ranges::equal(text, form, has_form)) return {};
    const auto field = [&](std::size_t at, std::size_t length) {
        return static_cast<int>(*parse_state_number(text.substr(at, length), 9999));
    };
    const year_month_day date(year(field(0, 4)), month(static_cast<unsigned>(field(5, 2))), day(static_cast<unsigned>(field(8, 2))));
    const int hour = field(11, 2), minute = field(14, 2), second = field(17, 2);
    if (!date.ok() || date.year() < year(1970) || hour > 23 || minute > 59 || second > 59) return {};
    const sys_seconds time = sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
    if (time >= state_time_end) return {};
    return time;
}

std::string state_time(std::chrono::sys_seconds time) { return std::format("{:%Y-%m-%d %H:%M:%S}", time); }

}  // namespace lethe
