// The minimal state: octets that are one, or a state file that one is made of.

#include <algorithm>

#include "fuzz.hpp"
#include "tor/minimal_state.hpp"

using namespace lethe;
using fuzz::require;

namespace {

void check(const MinimalState& state) {
    require(encode_minimal_state(state).size() <= minimal_state_limit_octets, "it is not larger than it may be");
    require(fuzz::is(decode_minimal_state(encode_minimal_state(state)), state), "a minimal state that is made can be read");
    const auto file = parse_state_file(as_octets(to_state_text(state)));
    require(file && fuzz::is(minimal_state(*file), state), "its state file says the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const OctetView octets(data, size);
    if (const auto state = decode_minimal_state(octets); fuzz::parsed(state)) {
        check(*state);
        require(std::ranges::equal(encode_minimal_state(*state), octets), "one state has one encoding");
    }
    if (const auto file = parse_state_file(octets); fuzz::parsed(file))
        if (const auto state = minimal_state(*file); fuzz::parsed(state, {ErrorKind::not_found})) check(*state);
    return 0;
}
