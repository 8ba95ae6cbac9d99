// What each object of a store holds in one generation.

#include "fuzz.hpp"
#include "vault/ledger.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto ledger = decode_ledger(Secret::copy_of({data, size}));
    if (!fuzz::parsed(ledger)) return 0;
    for (const auto& [id, entry] : ledger->entries) {
        fuzz::require(entry.admits(entry.current), "what is there is admitted");
        fuzz::require(entry.current || entry.next, "an entry is of an object");
    }
    const Secret again = encode_ledger(*ledger);
    fuzz::require(std::ranges::equal(again.expose(), OctetView(data, size)), "a ledger has one form");
    return 0;
}
