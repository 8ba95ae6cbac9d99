// The list of relays.

#include "fuzz.hpp"
#include "vault/roster.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto roster = decode_roster(Secret::copy_of({data, size}));
    if (!fuzz::parsed(roster)) return 0;
    for (const auto& [name, entry] : *roster) fuzz::require(check_relay_name(name).has_value(), "a listed name is a relay's");
    // Older versions are read as well, so it is the list that comes back, not its octets.
    fuzz::require(fuzz::is(decode_roster(encode_roster(*roster)), *roster), "a list that is read can be written");
    return 0;
}
