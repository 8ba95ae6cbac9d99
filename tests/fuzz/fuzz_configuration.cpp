// lethe.conf.

#include <fstream>

#include "../unit/temporary_folder.hpp"
#include "fuzz.hpp"
#include "vault/configuration.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TemporaryFolder folder;
    std::ofstream(folder / "lethe.conf", std::ios::binary) << as_text({data, size});
    fuzz::parsed(read_configuration(std::array{folder / "lethe.conf"}), {ErrorKind::invalid_argument});
    return 0;
}
