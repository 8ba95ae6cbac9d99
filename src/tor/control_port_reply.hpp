#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/octets.hpp"

namespace lethe {

/// The most octets that one reply of tor may have.
constexpr std::size_t control_reply_limit_octets = 256 << 10;

/// What tor says on its control port to one command, or on its own account (status 650).
struct ControlReply {
    struct Line {
        std::string text;  ///< without the status
        std::string data;  ///< the lines that follow it up to a dot, each with its '\n'; empty when there are none
    };
    unsigned status = 0;      ///< 250: done
    std::vector<Line> lines;  ///< at least one
};

struct ReceivedReply {
    ControlReply reply;
    std::size_t size_octets;  ///< how much of what was received it takes
};

/// Takes the reply that stands at the beginning of what tor has sent.
///
/// @return nothing while its end has not come.
/// @error corrupt  not a reply, or a longer one than is taken.
/// Source: control-spec, section 2.3; tor 0.4.9, feature/control/control_proto.c.
Result<std::optional<ReceivedReply>> take_control_reply(OctetView received);

/// The values of a reply to GETINFO by their keys, those of several lines with each line's '\n'.
/// @error wrong_state  tor refused; with its words.
/// @error corrupt      a line without a key.
Result<std::map<std::string, std::string>> values_of(const ControlReply& reply);

/// The value of KEY=value or KEY="value" among the words of a line; nothing when there is no such word. In quotes a backslash stands before
/// octal digits or a character.
std::optional<std::string> control_word(std::string_view line, std::string_view key);

/// Tor's words, as a message may have them: printable, and not too many.
std::string printable_words(std::string_view words);

}  // namespace lethe
