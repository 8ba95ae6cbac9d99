#include "fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace lethe::fuzz {

void require(bool holds, std::string_view property) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(property.size()), property.data());
    std::abort();
}

void check_error(const Error& error, std::initializer_list<ErrorKind> kinds) {
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (!std::ranges::contains(kinds, error.kind)) std::fprintf(stderr, "the error: %s\n", error.message.c_str());
    require(std::ranges::contains(kinds, error.kind), "the error is of a documented kind");
    require(!error.message.empty() && std::ranges::none_of(error.message, is_control), "the message is one printable line");
}

std::uint64_t Input::number(unsigned width_octets) {
    std::uint64_t value = 0;
    for (const std::uint8_t octet : take(width_octets)) value = value << 8 | octet;
    return value;
}

OctetView Input::part() { return take(number(2)); }

OctetView Input::take(std::size_t count) {
    const OctetView taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
}

}  // namespace lethe::fuzz
