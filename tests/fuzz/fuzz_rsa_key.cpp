// A relay's RSA key file.

#include <openssl/err.h>

#include "fuzz.hpp"
#include "tor/rsa_key.hpp"

using namespace lethe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto fingerprint = check_rsa_key({data, size});
    fuzz::require(ERR_peek_error() == 0, "OpenSSL's queue of errors is left empty");
    if (fuzz::parsed(fingerprint)) fuzz::require(fuzz::is(check_rsa_key({data, size}), *fingerprint), "one key has one fingerprint");
    return 0;
}
