#pragma once

#include <initializer_list>
#include <string_view>

#include "base/octets.hpp"

/// What libFuzzer, or replay.cpp in its place, calls with each input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace lethe::fuzz {

/// A property of the code under test: when it does not hold, says so and ends the process, which is a finding.
void require(bool holds, std::string_view property);

/// Whether the error is of one of these kinds, and its message one line that cannot disturb a terminal or a log.
void check_error(const Error& error, std::initializer_list<ErrorKind> kinds);

/// Whether it is a value; an error must be one that check_error() lets pass.
template <class T>
bool parsed(const Result<T>& result, std::initializer_list<ErrorKind> kinds = {ErrorKind::corrupt}) {
    if (!result) check_error(result.error(), kinds);
    return result.has_value();
}

/// Whether it is this value.
template <class T>
bool is(const Result<T>& result, const T& value) {
    return result && *result == value;
}

/// Takes an input apart for a target that wants several things. Never fails: what is not there reads as zero, or as empty.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

    bool empty() const { return rest_.empty(); }
    std::uint64_t number(unsigned width_octets);
    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    /// A u16 length and that many octets, or as many as are left. Borrows.
    OctetView part();
    std::string_view text() { return as_text(part()); }
    OctetView rest() { return take(rest_.size()); }

private:
    OctetView take(std::size_t count);

    OctetView rest_;
};

}  // namespace lethe::fuzz
