#include "identityd/fingerprint.hpp"

#include <algorithm>

namespace lethe {

Result<RosterEntry::Fingerprint> parse_fingerprint(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != '$' && c != ' ') digits += c;
    }
    const auto octets = from_hex(digits);
    RosterEntry::Fingerprint fingerprint;
    if (!octets || octets->size() != fingerprint.size())
        return fail(ErrorKind::invalid_argument,
                    "a fingerprint is 40 hexadecimal digits; `lethectl identity list` shows those of this machine");
    std::ranges::copy(*octets, fingerprint.begin());
    return fingerprint;
}

}  // namespace lethe
