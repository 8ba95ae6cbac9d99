// The files that tor marks with a header. The input is a title and a file.

#include <algorithm>

#include "fuzz.hpp"
#include "tor/tagged_file.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    std::string title(input.text());
    std::ranges::replace_if(title, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');  // titles are ours
    const std::size_t wanted = input.u8();
    const OctetView file = input.rest();
    const auto payload = tagged_payload(file, title, wanted);
    if (!fuzz::parsed(payload)) return 0;
    fuzz::require(payload->size() == wanted && payload->data() == file.data() + 32, "the payload follows the header");
    fuzz::require(as_text(file).starts_with(std::format("== {} ==", title).substr(0, 32)), "the header is the one that was asked for");
    return 0;
}
