#pragma once

#include <string>
#include <string_view>

namespace lethe {

/// Text from outside as a terminal may be given it, in one line: what tor, a file or a service on the bus says. White space becomes spaces;
/// control characters (C0, C1, DEL), characters that change the direction of a line, and octets that are not UTF-8 are written out, as
/// \x1b or \u202e. So nothing of it moves the cursor, colours or hides what else is there, or makes a line of its own.
std::string printable(std::string_view text);

}  // namespace lethe
