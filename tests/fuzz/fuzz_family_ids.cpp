// The families that an operator's torrc names.

#include <algorithm>

#include "fuzz.hpp"
#include "tor/torrc.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    const auto ids = family_ids_of_torrc(text);
    if (!fuzz::parsed(ids, {ErrorKind::invalid_argument})) return 0;
    fuzz::require(std::ranges::is_sorted(*ids) && std::ranges::adjacent_find(*ids) == ids->end(), "ids are sorted, each once");
    for (const std::string& id : *ids) fuzz::require(id.size() == 43 && from_base64(id + "=").has_value(), "an id is 43 base64 characters");
    return 0;
}
