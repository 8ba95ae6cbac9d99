// The public record of the vault.

#include "fuzz.hpp"
#include "vault/vault.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto record = decode_vault_record({data, size});
    // Older versions are read as well, so it is the record that comes back, not its octets.
    if (fuzz::parsed(record))
        fuzz::require(fuzz::is(decode_vault_record(encode_vault_record(*record)), *record), "a record that is read can be written");
    return 0;
}
