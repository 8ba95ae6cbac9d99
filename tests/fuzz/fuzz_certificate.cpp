// The certificate of a relay's signing key.

#include "fuzz.hpp"
#include "tor/certificate.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto certificate = parse_signing_certificate({data, size});
    if (!fuzz::parsed(certificate)) return 0;
    fuzz::require(size == signing_certificate_octets, "a certificate has one length");
    fuzz::require(certificate->expires >= 0 && certificate->expires % 3600 == 0, "it ends at a full hour");
    return 0;
}
