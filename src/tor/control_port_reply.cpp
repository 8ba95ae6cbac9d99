#include "tor/control_port_reply.hpp"

#include <algorithm>
#include <charconv>
#include <span>

namespace lethe {
namespace {

constexpr std::string_view line_end = "\r\n";

// Takes lines from a text of which the end may not have come.
class Lines {
public:
    explicit Lines(std::string_view text) : text_(text) {}

    std::optional<std::string_view> next() {
        const auto end = text_.find(line_end, at_);
        if (end == text_.npos) return std::nullopt;
        const auto line = text_.substr(at_, end - at_);
        at_ = end + line_end.size();
        return line;
    }
    std::size_t taken() const { return at_; }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Of "250-text" and the like. No status begins with 0.
Result<unsigned> status_of(std::string_view line) {
    if (line.size() < 4 || line[0] == '0' || !std::ranges::all_of(line.substr(0, 3), is_digit) ||
        !std::string_view(" -+").contains(line[3]))
        return fail(ErrorKind::corrupt, "tor's control port: \"{}\" is no reply", printable_words(line));
    return static_cast<unsigned>((line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0');
}

// Up to a dot in a line of its own; a dot at a line's beginning is doubled.
std::optional<std::string> take_data(Lines& lines) {
    std::string data;
    while (const auto line = lines.next()) {
        if (*line == ".") return data;
        data.append(line->starts_with('.') ? line->substr(1) : *line).push_back('\n');
    }
    return std::nullopt;
}

Result<std::optional<ReceivedReply>> take_whole(std::string_view text) {
    Lines lines(text);
    ControlReply reply;
    while (const auto line = lines.next()) {
        const unsigned status = TRY(status_of(*line));
        if (!reply.lines.empty() && status != reply.status) return fail(ErrorKind::corrupt, "tor's control port: two replies in one");
        reply.status = status;
        reply.lines.push_back({std::string(line->substr(4)), {}});
        if ((*line)[3] == ' ') return ReceivedReply{std::move(reply), lines.taken()};
        if ((*line)[3] == '-') continue;
        auto data = take_data(lines);
        if (!data) return std::nullopt;
        reply.lines.back().data = std::move(*data);
    }
    return std::nullopt;
}

// How many octal digits there are, and what they say.
std::pair<std::size_t, unsigned> octal_in(std::string_view line) {
    unsigned value = 0;
    const auto digits = line.substr(0, 3);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    return {error == std::errc{} ? static_cast<std::size_t>(end - digits.data()) : 0, value};
}

// What stands in quotes, from behind the first to behind the last.
std::string take_quoted(std::string_view& line) {
    std::string value;
    while (!line.empty() && line.front() != '"') {
        const bool is_escaped = line.front() == '\\' && line.size() > 1;
        if (is_escaped) line.remove_prefix(1);
        const auto [digits, octal] = is_escaped ? octal_in(line) : std::pair<std::size_t, unsigned>{};
        value.push_back(digits > 0 ? static_cast<char>(octal) : line.front());
        line.remove_prefix(std::max<std::size_t>(digits, 1));
    }
    if (!line.empty()) line.remove_prefix(1);
    return value;
}

std::string_view take_until(std::string_view& line, std::string_view ends) {
    const auto word = line.substr(0, line.find_first_of(ends));
    line.remove_prefix(word.size());
    return word;
}

}  // namespace

Result<std::optional<ReceivedReply>> take_control_reply(OctetView received) {
    auto taken = TRY(take_whole(as_text(received.first(std::min(received.size(), control_reply_limit_octets)))));
    if (!taken && received.size() >= control_reply_limit_octets)
        return fail(ErrorKind::corrupt, "tor's control port: a reply of more than {} octets", control_reply_limit_octets);
    return taken;
}

Result<std::map<std::string, std::string>> values_of(const ControlReply& reply) {
    if (reply.status != 250) return fail(ErrorKind::wrong_state, "tor says: {}", printable_words(reply.lines.back().text));
    std::map<std::string, std::string> values;
    for (const auto& [text, data] : std::span(reply.lines).first(reply.lines.size() - 1)) {
        const auto equals = text.find('=');
        if (equals == text.npos) return fail(ErrorKind::corrupt, "tor's control port: \"{}\" has no key", printable_words(text));
        values[text.substr(0, equals)] = text.substr(equals + 1) + data;
    }
    return values;
}

std::optional<std::string> control_word(std::string_view line, std::string_view key) {
    while (!line.empty()) {
        const auto name = take_until(line, " =");
        std::optional<std::string> value;
        if (line.starts_with("=\"")) {
            line.remove_prefix(2);
            value = take_quoted(line);
        } else if (line.starts_with('=')) {
            line.remove_prefix(1);
            value = take_until(line, " ");
        }
        if (value && name == key) return value;
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    }
    return std::nullopt;
}

std::string printable_words(std::string_view words) {
    constexpr std::size_t limit = 160;
    std::string text(words.substr(0, limit));
    std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace lethe
