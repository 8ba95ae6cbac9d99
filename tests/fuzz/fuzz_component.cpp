// A component file of systemd-pcrlock.

#include "fuzz.hpp"
#include "pcrlock/component.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto records = parse_component(as_text({data, size}));
    if (fuzz::parsed(records))
        fuzz::require(fuzz::is(parse_component(encode_component(*records)), *records), "records that are read can be written");
    return 0;
}
