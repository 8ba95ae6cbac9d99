#include "tpm/esys_crypto.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <memory>
#include <new>
#include <utility>

#include "base/secret.hpp"
#include "tpm/esys_salt.hpp"

// Called by C: nothing here throws.
namespace lethe {

namespace {

using Blob = ESYS_CRYPTO_CONTEXT_BLOB;

struct FreeDigest {
    void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
};

const EVP_MD* digest_of(TPM2_ALG_ID algorithm) {
    switch (algorithm) {
        case TPM2_ALG_SHA1:
            return EVP_sha1();
        case TPM2_ALG_SHA256:
            return EVP_sha256();
        case TPM2_ALG_SHA384:
            return EVP_sha384();
        case TPM2_ALG_SHA512:
            return EVP_sha512();
        default:
            return nullptr;
    }
}

TSS2_RC openssl_failure() {
    ERR_clear_error();  // the thread's queue, which the next user of OpenSSL would read as its own failure
    return TSS2_ESYS_RC_GENERAL_FAILURE;
}

// The blob of a hash is OpenSSL's context.
EVP_MD_CTX* hash_in(Blob* blob) { return reinterpret_cast<EVP_MD_CTX*>(blob); }

TSS2_RC hash_start(Blob** blob, TPM2_ALG_ID algorithm, void*) noexcept {
    if (blob == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    const EVP_MD* const digest = digest_of(algorithm);
    if (digest == nullptr) return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    std::unique_ptr<EVP_MD_CTX, FreeDigest> hash(EVP_MD_CTX_new());
    if (!hash || EVP_DigestInit_ex2(hash.get(), digest, nullptr) != 1) return openssl_failure();
    *blob = reinterpret_cast<Blob*>(hash.release());
    return TSS2_RC_SUCCESS;
}

TSS2_RC hash_update(Blob* blob, const std::uint8_t* octets, std::size_t size, void*) noexcept {
    if (blob == nullptr || octets == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    return EVP_DigestUpdate(hash_in(blob), octets, size) == 1 ? TSS2_RC_SUCCESS : openssl_failure();
}

void hash_abort(Blob** blob, void*) noexcept {
    if (blob != nullptr) EVP_MD_CTX_free(hash_in(std::exchange(*blob, nullptr)));
}

TSS2_RC hash_finish(Blob** blob, std::uint8_t* octets, std::size_t* size, void*) noexcept {
    if (blob == nullptr || *blob == nullptr || octets == nullptr || size == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    const auto needed = static_cast<std::size_t>(EVP_MD_CTX_get_size(hash_in(*blob)));
    if (*size < needed) return TSS2_ESYS_RC_BAD_SIZE;
    if (EVP_DigestFinal_ex(hash_in(*blob), octets, nullptr) != 1) return openssl_failure();
    *size = needed;
    hash_abort(blob, nullptr);
    return TSS2_RC_SUCCESS;
}

// The blob of an HMAC: its key can be found from the state.
struct Hmac {
    Secret memory{sizeof(crypto_auth_hmacsha256_state)};
    auto* state() { return reinterpret_cast<crypto_auth_hmacsha256_state*>(memory.expose_mutable().data()); }
};
Hmac* hmac_in(Blob* blob) { return reinterpret_cast<Hmac*>(blob); }

TSS2_RC hmac_start(Blob** blob, TPM2_ALG_ID algorithm, const std::uint8_t* key, std::size_t size, void*) noexcept {
    if (blob == nullptr || key == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    if (algorithm != TPM2_ALG_SHA256) return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    auto* const hmac = new (std::nothrow) Hmac;
    if (hmac == nullptr) return TSS2_ESYS_RC_MEMORY;
    crypto_auth_hmacsha256_init(hmac->state(), key, size);
    *blob = reinterpret_cast<Blob*>(hmac);
    return TSS2_RC_SUCCESS;
}

TSS2_RC hmac_update(Blob* blob, const std::uint8_t* octets, std::size_t size, void*) noexcept {
    if (blob == nullptr || octets == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    crypto_auth_hmacsha256_update(hmac_in(blob)->state(), octets, size);
    return TSS2_RC_SUCCESS;
}

void hmac_abort(Blob** blob, void*) noexcept {
    if (blob != nullptr) delete hmac_in(std::exchange(*blob, nullptr));
}

TSS2_RC hmac_finish(Blob** blob, std::uint8_t* octets, std::size_t* size, void*) noexcept {
    if (blob == nullptr || *blob == nullptr || octets == nullptr || size == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    if (*size < crypto_auth_hmacsha256_BYTES) return TSS2_ESYS_RC_BAD_SIZE;
    crypto_auth_hmacsha256_final(hmac_in(*blob)->state(), octets);
    *size = crypto_auth_hmacsha256_BYTES;
    hmac_abort(blob, nullptr);
    return TSS2_RC_SUCCESS;
}

TSS2_RC random_octets(TPM2B_NONCE* nonce, std::size_t size, void*) noexcept {
    if (nonce == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    if (size > sizeof nonce->buffer) return TSS2_ESYS_RC_BAD_SIZE;
    nonce->size = static_cast<UINT16>(size == 0 ? sizeof nonce->buffer : size);
    randombytes_buf(nonce->buffer, nonce->size);
    return TSS2_RC_SUCCESS;
}

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* cipher) const { EVP_CIPHER_CTX_free(cipher); }
};

enum class Direction { decrypt = 0, encrypt = 1 };

template <Direction direction>
TSS2_RC aes(std::uint8_t* key, TPM2_ALG_ID algorithm, TPMI_AES_KEY_BITS bits, TPM2_ALG_ID mode, std::uint8_t* octets, std::size_t size,
            std::uint8_t* iv, void*) noexcept {
    if (key == nullptr || octets == nullptr || iv == nullptr) return TSS2_ESYS_RC_BAD_REFERENCE;
    if (algorithm != TPM2_ALG_AES || bits != 128 || mode != TPM2_ALG_CFB) return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> cipher(EVP_CIPHER_CTX_new());
    int written = 0;
    if (!cipher || EVP_CipherInit_ex2(cipher.get(), EVP_aes_128_cfb128(), key, iv, static_cast<int>(direction), nullptr) != 1 ||
        EVP_CipherUpdate(cipher.get(), octets, &written, octets, static_cast<int>(size)) != 1)
        return openssl_failure();
    return TSS2_RC_SUCCESS;
}

TSS2_RC sm4(std::uint8_t*, TPM2_ALG_ID, TPMI_SM4_KEY_BITS, TPM2_ALG_ID, std::uint8_t*, std::size_t, std::uint8_t*, void*) noexcept {
    return TSS2_ESYS_RC_NOT_IMPLEMENTED;
}

}  // namespace

ESYS_CRYPTO_CALLBACKS esys_cryptography() {
    return {.rsa_pk_encrypt = salt_for_rsa,
            .hash_start = hash_start,
            .hash_update = hash_update,
            .hash_finish = hash_finish,
            .hash_abort = hash_abort,
            .hmac_start = hmac_start,
            .hmac_update = hmac_update,
            .hmac_finish = hmac_finish,
            .hmac_abort = hmac_abort,
            .get_random2b = random_octets,
            .get_ecdh_point = salt_for_ecc,
            .aes_encrypt = aes<Direction::encrypt>,
            .aes_decrypt = aes<Direction::decrypt>,
            .sm4_encrypt = sm4,
            .sm4_decrypt = sm4,
            .init = nullptr,
            .userdata = nullptr};
}

}  // namespace lethe
