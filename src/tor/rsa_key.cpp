#include "tor/rsa_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <memory>

#include "base/secret.hpp"

namespace lethe {

namespace {

constexpr std::string_view pem_begin = "-----BEGIN RSA PRIVATE KEY-----\n";
constexpr std::string_view pem_end = "-----END RSA PRIVATE KEY-----\n";
constexpr int key_bits = 1024;
constexpr BN_ULONG public_exponent = 65537;

template <auto Free>
struct Freed {
    void operator()(auto* pointer) const { Free(pointer); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;

struct OpensslOctets {
    unsigned char* data = nullptr;
    ~OpensslOctets() { OPENSSL_free(data); }
};

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

// PKCS#1 begins SEQUENCE, INTEGER 0, INTEGER n; OpenSSL would take PKCS#8 (SEQUENCE, INTEGER 0, SEQUENCE) as well, and tor would not.
bool begins_as_pkcs1(OctetView der) {
    constexpr std::array<std::uint8_t, 4> version_and_integer{0x02, 0x01, 0x00, 0x02};
    return der.size() > 8 && der[0] == 0x30 && der[1] == 0x82 && std::ranges::equal(der.subspan(4, 4), version_and_integer);
}

Result<Key> decode_key(OctetView der) {
    const unsigned char* cursor = der.data();
    Key key;
    if (begins_as_pkcs1(der)) key.reset(d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &cursor, static_cast<long>(der.size())));
    if (!key || cursor != der.data() + der.size()) return fail(ErrorKind::corrupt, "not a PKCS#1 RSA private key");
    return key;
}

Result<void> check_key(EVP_PKEY* key) {
    if (EVP_PKEY_get_bits(key) != key_bits) return fail(ErrorKind::corrupt, "{} bits, not {}", EVP_PKEY_get_bits(key), key_bits);
    BIGNUM* exponent = nullptr;
    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent);
    const Number owned(exponent);
    if (!owned || !BN_is_word(owned.get(), public_exponent))
        return fail(ErrorKind::corrupt, "the public exponent is not {}", public_exponent);
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    if (!context || EVP_PKEY_check(context.get()) != 1)
        return fail(ErrorKind::corrupt, "the numbers of the RSA key do not belong together");
    return {};
}

Result<RsaFingerprint> check_der(OctetView der) {
    const Key key = TRY(decode_key(der));
    TRY(check_key(key.get()));
    OpensslOctets public_key;
    const int length = i2d_PublicKey(key.get(), &public_key.data);
    RsaFingerprint fingerprint;
    std::size_t written = 0;
    if (length <= 0 ||
        EVP_Q_digest(nullptr, "SHA1", nullptr, public_key.data, static_cast<std::size_t>(length), fingerprint.data(), &written) != 1 ||
        written != fingerprint.size())
        return fail(ErrorKind::io, "OpenSSL cannot compute the fingerprint (SHA-1)");
    return fingerprint;
}

}  // namespace

Result<RsaFingerprint> check_rsa_key(OctetView pem) {
    const Secret der = TRY(decode_pem(pem));
    auto fingerprint = check_der(der.expose());
    ERR_clear_error();  // the thread's queue, which the next user of OpenSSL would read as its own failure
    return fingerprint;
}

}  // namespace lethe
