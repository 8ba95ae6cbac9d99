#include "tor/rsa_key.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>

namespace lethe {

namespace {

constexpr std::string_view pem_begin = "-----BEGIN RSA PRIVATE KEY-----\n";
constexpr std::string_view pem_end = "-----END RSA PRIVATE KEY-----\n";
constexpr std::size_t pem_line_octets = 48;
constexpr std::size_t prime_octets = rsa_prime_bits / 8;

// Not by OpenSSL's PEM reader: it copies what it reads through ordinary memory, and it accepts any text around the block.
Result<Secret> decode_pem(OctetView pem) {
    std::string_view text = as_text(pem);
    if (text.ends_with('\0')) text.remove_suffix(1);  // tor writes the NUL that ends its string into the file
    if (!text.starts_with(pem_begin) || !text.ends_with(pem_end) || text.size() < pem_begin.size() + pem_end.size())
        return fail(ErrorKind::corrupt, "not one whole PEM block \"RSA PRIVATE KEY\"");
    const std::string_view body = text.substr(pem_begin.size(), text.size() - pem_begin.size() - pem_end.size());
    // libsodium 1.0.18 takes some octets above 0x7f for base64 characters.
    if (std::ranges::any_of(body, [](unsigned char c) { return c > 0x7f; })) return fail(ErrorKind::corrupt, "its PEM block is not base64");
    Secret decoded(body.size() / 4 * 3 + 3);
    std::size_t length = 0;
    const char* end = nullptr;
    if (sodium_base642bin(decoded.expose_mutable().data(), decoded.size(), body.data(), body.size(), "\n", &length, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != body.data() + body.size())
        return fail(ErrorKind::corrupt, "its PEM block is not base64");
    return decoded.prefix(length);
}

Secret encode_pem(OctetView der) {
    const std::size_t lines = (der.size() + pem_line_octets - 1) / pem_line_octets;
    const std::size_t characters = (der.size() + 2) / 3 * 4;
    Secret pem(pem_begin.size() + characters + lines + pem_end.size() + 1);
    char* const text = reinterpret_cast<char*>(pem.expose_mutable().data());
    char* place = std::ranges::copy(pem_begin, text).out;
    for (; !der.empty(); der = der.subspan(std::min(der.size(), pem_line_octets))) {
        const OctetView line = der.first(std::min(der.size(), pem_line_octets));
        const std::size_t length = (line.size() + 2) / 3 * 4;
        sodium_bin2base64(place, length + 1, line.data(), line.size(), sodium_base64_VARIANT_ORIGINAL);
        place += length;
        *place++ = '\n';
    }
    std::ranges::copy(pem_end, place);
    return pem;  // its last octet is the NUL
}

Result<RsaNumbers> read_key(OctetView pem) {
    const Secret der = TRY(decode_pem(pem));
    auto key = decode_rsa_private_key(der.expose());
    if (!key) return fail(ErrorKind::corrupt, "not a PKCS#1 RSA private key: {}", key.error().message);
    TRY(check_rsa_numbers(*key));
    return key;
}

Result<RsaFingerprint> fingerprint_of(const RsaNumbers& key) {
    const Octets der = encode_rsa_public_key(key);
    RsaFingerprint fingerprint;
    std::size_t written = 0;
    if (EVP_Q_digest(nullptr, "SHA1", nullptr, der.data(), der.size(), fingerprint.data(), &written) != 1 || written != fingerprint.size())
        return fail(ErrorKind::io, "OpenSSL cannot compute the fingerprint (SHA-1)");
    return fingerprint;
}

Result<RsaFingerprint> check_key(OctetView pem, Scrutiny scrutiny) {
    const RsaNumbers key = TRY(read_key(pem));
    if (scrutiny == Scrutiny::whole) TRY(check_rsa_primes(key));
    return fingerprint_of(key);
}

}  // namespace

Result<RsaFingerprint> check_rsa_key(OctetView pem, Scrutiny scrutiny) {
    auto fingerprint = check_key(pem, scrutiny);
    ERR_clear_error();  // the thread's queue, which the next user of OpenSSL would read as its own failure
    return fingerprint;
}

Result<RsaPrimes> rsa_primes(OctetView pem) {
    const RsaNumbers key = TRY(read_key(pem));
    RsaPrimes primes{Secret(rsa_primes_octets), PrivateExponent::of_product};
    const auto place = primes.p_and_q.expose_mutable();
    BN_bn2binpad(key.p.get(), place.data(), prime_octets);
    BN_bn2binpad(key.q.get(), place.data() + prime_octets, prime_octets);
    const RsaNumbers other = TRY(rsa_numbers_of_primes(place.first(prime_octets), place.last(prime_octets), PrivateExponent::least));
    if (BN_cmp(other.d.get(), key.d.get()) == 0) primes.form = PrivateExponent::least;
    return primes;
}

Result<Secret> rsa_key_of_primes(OctetView p_and_q, PrivateExponent form) {
    if (p_and_q.size() != rsa_primes_octets) return fail(ErrorKind::corrupt, "{} octets, not {}", p_and_q.size(), rsa_primes_octets);
    auto key = rsa_numbers_of_primes(p_and_q.first(prime_octets), p_and_q.last(prime_octets), form);
    ERR_clear_error();
    if (!key) return std::unexpected(std::move(key).error());
    const Secret der = encode_rsa_private_key(*key);
    return encode_pem(der.expose());
}

}  // namespace lethe
