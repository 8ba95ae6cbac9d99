#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lethe {

/// One option of a torrc, continued lines joined.
struct TorrcLine {
    std::size_t number = 0;  ///< of the line that it begins on, from 1
    char prefix = 0;         ///< '+' (add to the defaults), '/' (clear what was set before) or 0
    std::string name{};      ///< as it is written
    std::string value{};     ///< without quotes and comments; escapes in a quoted value are left as they are
};

/// Reads a torrc as tor does, line after line: comments, quotes, and values continued with a backslash, in which a comment may stand.
class TorrcReader {
public:
    /// Borrows the text.
    explicit TorrcReader(std::string_view text) : text_(text) {}

    /// The next option, or none at the end.
    /// @error invalid_argument  a quoted value that does not end, or something behind it; tor refuses the file.
    /// Source: tor 0.4.9, lib/encoding/confline.c, parse_config_line_from_str_verbose.
    Result<std::optional<TorrcLine>> next();

private:
    bool at_end() const { return position_ == text_.size(); }
    char at(std::size_t offset) const { return position_ + offset < text_.size() ? text_[position_ + offset] : '\0'; }
    bool at_continuation() const { return at(0) == '\\' && at(1) == '\n'; }
    void skip(std::string_view characters);
    void skip_comment();
    std::string take_name();
    std::string take_plain_value();
    Result<std::string> take_quoted_value(std::size_t line);

    std::string_view text_;
    std::size_t position_ = 0;
};

}  // namespace lethe
