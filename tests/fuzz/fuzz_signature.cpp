// An image whose certificate table is hostile, and the firmware's databases. The input is db, dbx and the image.

#include <algorithm>

#include "fuzz.hpp"
#include "image/signature.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const auto trusted = parse_signature_lists(input.part()), revoked = parse_signature_lists(input.part());
    const bool has_lists = fuzz::parsed(trusted) && fuzz::parsed(revoked);
    const auto image = parse_pe(input.rest());
    if (!fuzz::parsed(image) || !has_lists) return 0;
    const auto verified = verify_signature(*image, trusted->certificates, *revoked);
    if (!fuzz::parsed(verified, {ErrorKind::corrupt, ErrorKind::not_found, ErrorKind::policy_mismatch})) return 0;
    require(std::ranges::contains(trusted->certificates, *verified), "only a certificate that is trusted is led to");
    require(!verify_signature(*image, {}, *revoked), "where nobody is trusted no signature counts");
    return 0;
}
