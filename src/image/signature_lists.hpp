#pragma once

#include <vector>

#include "base/octets.hpp"
#include "base/result.hpp"

namespace lethe {

/// What a firmware's variable db or dbx holds, as far as Lethe looks at it.
struct SignatureLists {
    std::vector<Octets> certificates;   ///< X.509, DER
    std::vector<Octets> image_digests;  ///< Authenticode, SHA-256
};

/// Parses the content of db or dbx, without the attributes that efivarfs puts before it. Other kinds of entries are passed over.
///
/// @error corrupt  a list or an entry does not lie within the content.
/// Source: UEFI Specification, "Signature Database", EFI_SIGNATURE_LIST.
Result<SignatureLists> parse_signature_lists(OctetView content);

}  // namespace lethe
