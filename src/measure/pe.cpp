#include "measure/pe.hpp"

#include <algorithm>

namespace lethe {
namespace {

constexpr std::size_t dos_header_size = 64;
constexpr std::size_t coff_header_size = 24;  // with the signature before it
constexpr std::size_t section_header_size = 40;
constexpr std::size_t directory_entry_size = 8;
constexpr std::size_t certificate_entry = 4;

// A little-endian field; the caller knows that it is there.
std::size_t field(OctetView octets, std::size_t offset, unsigned width_octets) {
    std::size_t value = 0;
    while (width_octets-- > 0) value = value << 8 | octets[offset + width_octets];
    return value;
}
std::size_t u16(OctetView octets, std::size_t offset) { return field(octets, offset, 2); }
std::uint32_t u32(OctetView octets, std::size_t offset) { return static_cast<std::uint32_t>(field(octets, offset, 4)); }

struct Headers {
    std::size_t optional = 0;
    std::size_t directories = 0;
    std::size_t directory_count = 0;
    std::size_t section_table = 0;
    std::size_t section_count = 0;
};

Result<std::size_t> find_optional_header(OctetView octets) {
    if (octets.size() < dos_header_size || octets[0] != 'M' || octets[1] != 'Z')
        return fail(ErrorKind::corrupt, "not a PE image: it does not begin with an MZ header");
    const std::size_t coff = u32(octets, 60);
    if (coff < dos_header_size || coff + coff_header_size + 2 > octets.size())
        return fail(ErrorKind::corrupt, "not a PE image: its PE header is at {}, outside the file", coff);
    if (as_text(octets.subspan(coff, 4)) != std::string_view("PE\0\0", 4))
        return fail(ErrorKind::corrupt, "not a PE image: there is no PE signature at {}", coff);
    return coff + coff_header_size;
}

Result<Headers> find_headers(OctetView octets, bool& plus) {
    Headers headers{.optional = TRY(find_optional_header(octets))};
    const std::size_t magic = u16(octets, headers.optional), size = u16(octets, headers.optional - 4);
    plus = magic == 0x20b;
    if (!plus && magic != 0x10b) return fail(ErrorKind::corrupt, "a PE image of the unknown kind {:#x}", magic);
    headers.directories = headers.optional + (plus ? 112 : 96);
    headers.section_table = headers.optional + size;
    headers.section_count = u16(octets, headers.optional - 18);
    if (headers.section_table < headers.directories || headers.section_table > octets.size())
        return fail(ErrorKind::corrupt, "the PE image's optional header is {} octets long, which cannot be", size);
    headers.directory_count = u32(octets, headers.directories - 4);
    if (headers.directory_count > (headers.section_table - headers.directories) / directory_entry_size)
        return fail(ErrorKind::corrupt, "the PE image has {} directories, more than its header holds", headers.directory_count);
    return headers;
}

PeSection read_section(OctetView octets, std::size_t offset) {
    const std::string_view name = as_text(octets.subspan(offset, 8));
    return {.name = name.substr(0, name.find('\0')),
            .address = u32(octets, offset + 12),
            .virtual_size = u32(octets, offset + 8),
            .raw_offset = u32(octets, offset + 20),
            .raw_size = u32(octets, offset + 16),
            .octets = {}};
}

Result<OctetView> find_certificates(const PeImage& image) {
    if (!image.certificate_entry_offset) return OctetView();
    const std::size_t offset = u32(image.octets, *image.certificate_entry_offset);
    const std::size_t size = u32(image.octets, *image.certificate_entry_offset + 4);
    if (size == 0) return OctetView();
    if (offset < image.headers_size || offset + size != image.octets.size())
        return fail(ErrorKind::corrupt, "the PE image's certificate table is not at the end of the file");
    return image.octets.subspan(offset);
}

std::size_t end_without_certificates(const PeImage& image) { return image.octets.size() - image.certificates.size(); }

// What is in the file, in the order in which it lies there.
std::vector<PeSection> by_offset(const PeImage& image) {
    std::vector<PeSection> sections;
    std::ranges::copy_if(image.sections, std::back_inserter(sections), [](const PeSection& section) { return section.raw_size > 0; });
    std::ranges::stable_sort(sections, {}, &PeSection::raw_offset);
    return sections;
}

Result<void> read_sections(PeImage& image, const Headers& headers) {
    for (std::size_t index = 0; index < headers.section_count; ++index) {
        PeSection section = read_section(image.octets, headers.section_table + index * section_header_size);
        const std::size_t end = std::size_t{section.raw_offset} + section.raw_size;
        if (section.raw_size > 0 && (section.raw_offset < image.headers_size || end > end_without_certificates(image)))
            return fail(ErrorKind::corrupt, "section {} of the PE image lies outside the file, or in its headers or certificates", index);
        if (section.raw_size > 0) section.octets = image.octets.subspan(section.raw_offset, section.raw_size);
        image.sections.push_back(section);
    }
    const auto sections = by_offset(image);
    const auto overlap = std::ranges::adjacent_find(sections, [](const PeSection& left, const PeSection& right) {
        return std::size_t{left.raw_offset} + left.raw_size > right.raw_offset;
    });
    if (overlap != sections.end())
        return fail(ErrorKind::corrupt, "two sections of the PE image overlap at {} in the file", std::next(overlap)->raw_offset);
    return {};
}

std::vector<OctetView> hashed(const PeImage& image) {
    const auto range = [&](std::size_t from, std::size_t to) { return image.octets.subspan(from, to - from); };
    std::vector<OctetView> parts{range(0, image.checksum_offset)};
    std::size_t from = image.checksum_offset + 4;
    if (image.certificate_entry_offset) {
        parts.push_back(range(from, *image.certificate_entry_offset));
        from = *image.certificate_entry_offset + directory_entry_size;
    }
    parts.push_back(range(from, image.headers_size));
    // The rest begins at the sum of what has been hashed. Where there are gaps between the sections, that is before the end of the last
    // one.
    std::size_t sum = image.headers_size;
    for (const PeSection& section : by_offset(image)) {
        parts.push_back(section.octets);
        sum += section.raw_size;
    }
    parts.push_back(range(sum, end_without_certificates(image)));
    return parts;
}

}  // namespace

Result<PeImage> parse_pe(OctetView octets) {
    PeImage image;
    image.octets = octets;
    const Headers headers = TRY(find_headers(octets, image.plus));
    if (headers.section_count == 0) return fail(ErrorKind::corrupt, "the PE image has no sections");
    image.headers_size = u32(octets, headers.optional + 60);
    image.checksum_offset = headers.optional + 64;
    if (image.headers_size > octets.size() || headers.section_table + headers.section_count * section_header_size > image.headers_size)
        return fail(ErrorKind::corrupt, "the PE image's headers are cut short, or its section table lies beyond them");
    if (headers.directory_count > certificate_entry)
        image.certificate_entry_offset = headers.directories + certificate_entry * directory_entry_size;
    image.certificates = TRY(find_certificates(image));
    TRY(read_sections(image, headers));
    return image;
}

BankDigests authenticode(const PeImage& image, std::span<const Bank> banks, ImageEnd end) {
    BankHashes hashes(banks);
    for (const OctetView part : hashed(image)) hashes.update(part);
    if (end == ImageEnd::padded_to_8) hashes.zeros((8 - end_without_certificates(image) % 8) % 8);
    return hashes.finish();
}

}  // namespace lethe
