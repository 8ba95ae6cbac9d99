// What the kernel says about memory. The input is /proc/self/cgroup, memory.max, memory.high and /proc/meminfo.

#include <algorithm>
#include <fstream>

#include "../unit/temporary_folder.hpp"
#include "fuzz.hpp"
#include "tor/unit_memory.hpp"

using namespace lethe;

static void write(const std::filesystem::path& file, std::string_view text) { std::ofstream(file, std::ios::binary) << text; }

static bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TemporaryFolder folder;
    fuzz::Input input(data, size);
    const unsigned relays = input.u8();
    std::filesystem::create_directories(folder / "group/unit");
    write(folder / "self", input.text());
    write(folder / "group/unit/memory.max", input.text());
    write(folder / "group/unit/memory.high", input.text());
    write(folder / "meminfo", as_text(input.rest()));

    const std::initializer_list kinds{ErrorKind::invalid_argument, ErrorKind::corrupt, ErrorKind::io};
    const auto own = own_cgroup(folder / "self");
    // The kernel puts no control characters into this file, so the messages may have the path as it is.
    if (fuzz::parsed(own, {ErrorKind::corrupt, ErrorKind::io}) && std::ranges::none_of(own->native(), is_control))
        fuzz::parsed(memory_for_unit(folder / "group", *own, folder / "meminfo", relays), kinds);
    const auto memory = memory_for_unit(folder / "group", "unit", folder / "meminfo", relays);
    if (!fuzz::parsed(memory, {ErrorKind::invalid_argument, ErrorKind::corrupt})) return 0;
    const std::uint64_t queues = max_mem_in_queues_mib(*memory);
    fuzz::require(queues >= 64 && queues <= 8192, "tor gets 64 MiB to 8 GiB for its queues");
    return 0;
}
