// The manifest of a relay.

#include <fstream>

#include "../unit/temporary_folder.hpp"
#include "fuzz.hpp"
#include "relay/manifest.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TemporaryFolder folder;
    std::ofstream(folder / "manifest", std::ios::binary) << as_text({data, size});
    fuzz::parsed(read_manifest(folder / "manifest"));
    return 0;
}
