#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/octets.hpp"

namespace lethe {

/// A section to be put into an image.
struct BuiltSection {
    std::string name;
    Octets contents;
    std::optional<std::uint32_t> virtual_size;  ///< of another length than the contents
};

/// A small PE image with its headers where the constants say, sections in 512 octets of the file and 4096 of memory, and no signature.
class BuiltPe {
public:
    static constexpr std::size_t coff = 64, optional = coff + 24, headers_size = 1024;

    explicit BuiltPe(const std::vector<BuiltSection>& sections, bool plus = true) : plus_(plus), octets_(headers_size) {
        octets_[0] = 'M', octets_[1] = 'Z', octets_[coff] = 'P', octets_[coff + 1] = 'E';
        put(60, coff, 4);
        put(coff + 6, sections.size(), 2);
        put(coff + 20, directories() - optional + std::size_t{16} * 8, 2);
        put(optional, plus ? 0x20b : 0x10b, 2);
        put(optional + 60, headers_size, 4);
        put(checksum(), 0x12345678, 4);
        put(directories() - 4, 16, 4);
        std::uint32_t address = 4096;
        for (std::size_t index = 0; index < sections.size(); ++index) address += add(sections[index], section(index), address);
    }

    std::size_t checksum() const { return optional + 64; }
    std::size_t directories() const { return optional + (plus_ ? 112 : 96); }
    std::size_t certificate_entry() const { return directories() + std::size_t{4} * 8; }
    std::size_t section(std::size_t index) const { return directories() + std::size_t{16} * 8 + index * 40; }

    /// Fields of a section's header.
    static constexpr std::size_t virtual_size = 8, address = 12, raw_size = 16, raw_offset = 20;

    BuiltPe& put(std::size_t offset, std::size_t value, unsigned width_octets) {
        for (; width_octets > 0; --width_octets, value >>= 8) octets_.at(offset++) = static_cast<std::uint8_t>(value);
        return *this;
    }
    BuiltPe& append(OctetView octets) {
        octets_.insert(octets_.end(), octets.begin(), octets.end());
        return *this;
    }
    /// A certificate table at the end, as a signing tool adds it, but without the padding before it.
    BuiltPe& sign(OctetView certificates) {
        put(certificate_entry(), octets_.size(), 4).put(certificate_entry() + 4, certificates.size(), 4);
        return append(certificates);
    }
    const Octets& octets() const { return octets_; }
    operator OctetView() const { return octets_; }

private:
    std::uint32_t add(const BuiltSection& section, std::size_t header, std::uint32_t address_in_memory) {
        const auto size = static_cast<std::uint32_t>(section.contents.size()), in_memory = section.virtual_size.value_or(size);
        std::ranges::copy(section.name.substr(0, 8), octets_.begin() + static_cast<std::ptrdiff_t>(header));
        put(header + virtual_size, in_memory, 4).put(header + address, address_in_memory, 4);
        put(header + raw_size, (size + 511) / 512 * 512, 4).put(header + raw_offset, octets_.size(), 4);
        append(section.contents);
        octets_.resize((octets_.size() + 511) / 512 * 512, 0xee);  // a firmware does not look at what fills it up
        return (std::max(in_memory, size) + 4095) / 4096 * 4096;   // without a VirtualSize, all of it is loaded
    }

    bool plus_;
    Octets octets_;
};

inline Octets octets_of(std::string_view text) {
    const OctetView view = as_octets(text);
    return {view.begin(), view.end()};
}

}  // namespace lethe
