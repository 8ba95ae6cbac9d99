#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "measure/measured_event.hpp"

namespace lethe {

/// A section of a PE image. Borrows the image's octets.
struct PeSection {
    std::string_view name;           ///< at most 8 octets, any but NUL
    std::uint32_t address = 0;       ///< where it is loaded, from the image's base
    std::uint32_t virtual_size = 0;  ///< what it takes there; what the file does not have is zero
    std::uint32_t raw_offset = 0;
    std::uint32_t raw_size = 0;
    OctetView octets;  ///< what the file has of it: raw_size octets
};

/// An image whose headers, sections and certificate table lie in the file without overlap. Borrows the octets, which must outlive it.
struct PeImage {
    OctetView octets;
    bool plus = false;  ///< PE32+ rather than PE32
    std::size_t headers_size = 0;
    std::size_t checksum_offset = 0;
    std::optional<std::size_t> certificate_entry_offset;  ///< of the directory entry; some images have none
    OctetView certificates;                               ///< the certificate table, the last thing in the file; empty without a signature
    std::vector<PeSection> sections;                      ///< in the order of the section table
};

/// Reads the headers and the section table of an EFI program. The machine type is not looked at.
///
/// @error corrupt  not a PE image, or one that is cut short, has a part outside the file or has parts that overlap: a firmware would either
///                 refuse it or hash it in a way that signing tools do not.
/// Source: Microsoft, PE Format.
Result<PeImage> parse_pe(OctetView octets);

/// What is hashed after the last octet.
enum class ImageEnd {
    as_it_is,    ///< EDK2: what the firmware extends into PCR 4 and looks for in db
    padded_to_8  ///< pesign, sbsign and osslsigncode: zeros up to a multiple of 8 octets
};

/// The Authenticode digest: the image without its CheckSum, the certificate table and the directory entry of that, sections in the order of
/// their raw offset. One pass for all banks.
///
/// @param end  matters only for an image that is no multiple of 8 octets long and has no signature. The two digests of such an image
/// differ,
///             and a signing tool lengthens it: a release should not be one.
/// Source: Microsoft, Windows Authenticode Portable Executable Signature Format; EDK2, MeasurePeImageAndExtend.
BankDigests authenticode(const PeImage& image, std::span<const Bank> banks, ImageEnd end = ImageEnd::as_it_is);

}  // namespace lethe
