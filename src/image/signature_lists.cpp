#include "image/signature_lists.hpp"

#include <algorithm>
#include <array>

namespace lethe {
namespace {

// GUIDs as they lie in memory: the first three fields are little-endian.
using Guid = std::array<std::uint8_t, 16>;
constexpr Guid x509{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
constexpr Guid sha256_digest{0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};
constexpr std::size_t header_octets = sizeof(Guid) + 3 * 4, owner_octets = sizeof(Guid);
constexpr std::size_t sha256_octets = 32;

struct ListHeader {
    OctetView type;
    std::size_t header, entry, entries;  ///< octets of the header that the type has, of one entry, of all
};

Result<ListHeader> parse_header(OctetReader& reader) {
    const OctetView type = TRY(reader.take(sizeof(Guid)));
    const std::size_t size = TRY(reader.u32_le()), header = TRY(reader.u32_le()), entry = TRY(reader.u32_le());
    if (size < header_octets + header || entry < owner_octets || (size - header_octets - header) % entry != 0)
        return fail(ErrorKind::corrupt, "a signature list of {} octets with entries of {}", size, entry);
    return ListHeader{type, header, entry, size - header_octets - header};
}

Result<void> parse_list(OctetReader& reader, SignatureLists& lists) {
    const ListHeader list = TRY(parse_header(reader));
    TRY(reader.take(list.header));
    OctetReader entries(TRY(reader.take(list.entries)));
    while (!entries.rest().empty()) {
        TRY(entries.take(owner_octets));
        const OctetView data = TRY(entries.take(list.entry - owner_octets));
        if (std::ranges::equal(list.type, x509)) lists.certificates.emplace_back(data.begin(), data.end());
        else if (std::ranges::equal(list.type, sha256_digest) && data.size() == sha256_octets)
            lists.image_digests.emplace_back(data.begin(), data.end());
    }
    return {};
}

}  // namespace

Result<SignatureLists> parse_signature_lists(OctetView content) {
    SignatureLists lists;
    OctetReader reader(content);
    while (!reader.rest().empty())
        if (const auto parsed = parse_list(reader, lists); !parsed) return in_context(parsed.error(), "the firmware's signature database");
    return lists;
}

}  // namespace lethe
