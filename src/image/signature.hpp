#pragma once

#include <span>

#include "image/signature_lists.hpp"
#include "measure/pe.hpp"

namespace lethe {

/// Verifies that an image is signed, as a firmware with Secure Boot does: one of its signatures is of its Authenticode digest, and leads to
/// a certificate that is trusted, whatever that one's dates.
///
/// @param trusted  X.509 certificates, DER: those of db, or the release key of the image.
/// @param revoked  what dbx holds: a signature that leads over one of its certificates does not count, an image with one of its digests is
///                 refused.
/// @return the certificate of `trusted` that it leads to.
/// @error not_found        the image has no signature.
/// @error corrupt          its signatures do not parse, or none of them is of this image.
/// @error policy_mismatch  nobody who is trusted has signed it, or it was revoked.
/// Source: UEFI Specification, "Firmware/OS Key Exchange"; Microsoft, Windows Authenticode Portable Executable Signature Format.
Result<Octets> verify_signature(const PeImage& image, std::span<const Octets> trusted, const SignatureLists& revoked);

}  // namespace lethe
