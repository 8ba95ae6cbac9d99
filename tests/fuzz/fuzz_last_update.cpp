// What is noted of a release that was not kept. Whoever has had the disk may have written it. The input is the file.

#include <algorithm>

#include "fuzz.hpp"
#include "image/last_update.hpp"

using namespace lethe;
using fuzz::require;

static bool is_printable_line(const std::string& text) {
    return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto note = LastUpdate::parse(as_text({data, size}));
    if (!note) return 0;
    require(is_printable_line(note->version) && is_printable_line(note->reason), "what is shown is one printable line");
    require(note->version.size() + note->reason.size() + 2 <= size, "nothing is added to what is there");
    const auto again = LastUpdate::parse(note->version + "\n" + note->reason + "\n");
    require(again && again->version == note->version && again->reason == note->reason, "a note that was read reads the same");
    require(!again->network, "a third line alone says that only the network was missing");
    return 0;
}
