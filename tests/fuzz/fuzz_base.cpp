// Hexadecimal, base64, fields of octets, the last line of a program's output.

#include <algorithm>
#include <cctype>

#include "base/process.hpp"
#include "fuzz.hpp"

using namespace lethe;
using fuzz::parsed;
using fuzz::require;

static void decode_texts(std::string_view text) {
    if (const auto octets = from_hex(text); parsed(octets)) {
        std::string lower(text);
        std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        require(to_hex(*octets) == lower, "hexadecimal digits that parse are those of the octets");
    }
    if (const auto octets = from_base64(text); parsed(octets)) require(to_base64(*octets) == text, "base64 has one form");
    require(text.contains(last_line(text)) && !last_line(text).contains('\n'), "the last line is a line of the text");
}

// Reads the fields that the first octets ask for, and writes them again.
static void read_fields(OctetView plan, OctetView fields) {
    OctetReader reader(fields);
    OctetWriter writer;
    for (const std::uint8_t field : plan) {
        const std::size_t left = reader.rest().size();
        bool taken = false;
        const auto copy = [&](const auto& result, auto write) {
            if ((taken = parsed(result))) write(*result);
        };
        switch (field % 7) {
            case 0:
                copy(reader.u8(), [&](auto value) { writer.u8(value); });
                break;
            case 1:
                copy(reader.u16(), [&](auto value) { writer.u16(value); });
                break;
            case 2:
                copy(reader.u32(), [&](auto value) { writer.u32(value); });
                break;
            case 3:
                copy(reader.u64(), [&](auto value) { writer.u64(value); });
                break;
            case 4:
                copy(reader.sized16(), [&](auto value) { writer.sized16(value); });
                break;
            case 5:
                copy(reader.sized32(), [&](auto value) { writer.sized32(value); });
                break;
            case 6:
                copy(reader.take(field), [&](auto value) { writer.raw(value); });
                break;
        }
        require(reader.rest().size() <= left, "a reader goes forward");
        if (!taken) return;
    }
    require(std::ranges::equal(writer.octets(), fields.first(fields.size() - reader.rest().size())),
            "fields are written as they were read");
    require(parsed(reader.end()) == reader.rest().empty(), "the end is where nothing is left");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    decode_texts(as_text({data, size}));
    const OctetView plan = input.part();
    read_fields(plan, input.rest());
    return 0;
}
