#include "tor/torrc_line.hpp"

#include <algorithm>

namespace lethe {

namespace {

// tor's TOR_ISSPACE, in any locale.
constexpr std::string_view white_space = " \t\n\v\f\r";

bool is_white_space(char c) { return white_space.contains(c); }

}  // namespace

void TorrcReader::skip(std::string_view characters) { position_ = std::min(text_.find_first_not_of(characters, position_), text_.size()); }

void TorrcReader::skip_comment() { position_ = std::min(text_.find('\n', position_), text_.size()); }

std::string TorrcReader::take_name() {
    const std::size_t start = position_;
    while (!at_end() && !is_white_space(at(0)) && at(0) != '#' && !at_continuation()) ++position_;
    return std::string(text_.substr(start, position_ - start));
}

// Once a line is continued, a comment ends with its own line and the value goes on after it.
std::string TorrcReader::take_plain_value() {
    std::string value;
    for (bool continued = false; !at_end() && at(0) != '\n' && (at(0) != '#' || continued);) {
        if (at_continuation()) {
            continued = true;
            position_ += 2;
        } else if (at(0) == '#') {
            skip_comment();
            if (!at_end()) ++position_;
        } else {
            value.push_back(text_[position_++]);
        }
    }
    while (!value.empty() && is_white_space(value.back())) value.pop_back();
    return value;
}

Result<std::string> TorrcReader::take_quoted_value(std::size_t line) {
    const std::size_t start = ++position_;
    while (!at_end() && at(0) != '"' && at(0) != '\n') position_ += at(0) == '\\' && position_ + 1 < text_.size() ? 2 : 1;
    if (at(0) != '"') return fail(ErrorKind::invalid_argument, "line {}: the quoted value does not end", line);
    std::string value(text_.substr(start, position_ - start));
    ++position_;
    skip(" \t");
    if (at(0) == '\r' && at(1) == '\n') ++position_;
    if (!at_end() && at(0) != '#' && at(0) != '\n')
        return fail(ErrorKind::invalid_argument, "line {}: something follows the quoted value", line);
    return value;
}

Result<std::optional<TorrcLine>> TorrcReader::next() {
    for (skip(white_space); at(0) == '#'; skip(white_space)) skip_comment();
    if (at_end()) return std::nullopt;
    TorrcLine line{.number = static_cast<std::size_t>(std::ranges::count(text_.substr(0, position_), '\n')) + 1};
    line.name = take_name();
    if (line.name.starts_with('+') || line.name.starts_with('/')) {
        line.prefix = line.name.front();
        line.name.erase(0, 1);
    }
    skip(" \t");
    line.value = at(0) == '"' ? TRY(take_quoted_value(line.number)) : take_plain_value();
    return line;
}

}  // namespace lethe
