// ESAPI's cryptography as Lethe gives it, beside published vectors and OpenSSL's functions for one call.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <expected>
#include <tuple>
#include <vector>

#include "base/octets.hpp"
#include "tpm/esys_crypto.hpp"

using namespace lethe;

namespace {

const ESYS_CRYPTO_CALLBACKS crypto = esys_cryptography();

/// Each part in a call of its own, into a buffer with room for `room` octets.
template <class Update, class Finish>
std::expected<Octets, TSS2_RC> finish(ESYS_CRYPTO_CONTEXT_BLOB*& blob, const std::vector<Octets>& parts, Update update, Finish finish,
                                      std::size_t room = sizeof(TPMU_HA)) {
    for (const Octets& part : parts)
        if (const TSS2_RC rc = update(blob, part.data(), part.size(), nullptr); rc != TSS2_RC_SUCCESS) return std::unexpected(rc);
    Octets octets(room);
    std::size_t size = room;
    if (const TSS2_RC rc = finish(&blob, octets.data(), &size, nullptr); rc != TSS2_RC_SUCCESS) return std::unexpected(rc);
    octets.resize(size);
    return octets;
}

Octets text(std::string_view characters) { return {as_octets(characters).begin(), as_octets(characters).end()}; }

TEST(EsysCrypto, HashesAreThoseOfOpenSsl) {
    for (const auto& [algorithm, name] : {std::pair{TPM2_ALG_SHA1, "SHA1"}, std::pair{TPM2_ALG_SHA256, "SHA256"},
                                          std::pair{TPM2_ALG_SHA384, "SHA384"}, std::pair{TPM2_ALG_SHA512, "SHA512"}}) {
        ESYS_CRYPTO_CONTEXT_BLOB* blob = nullptr;
        ASSERT_EQ(crypto.hash_start(&blob, algorithm, nullptr), TSS2_RC_SUCCESS);
        const auto found = finish(blob, {text("a"), text("bc")}, crypto.hash_update, crypto.hash_finish);
        Octets wanted(EVP_MAX_MD_SIZE);
        std::size_t size = 0;
        ASSERT_EQ(EVP_Q_digest(nullptr, name, nullptr, "abc", 3, wanted.data(), &size), 1);
        wanted.resize(size);
        EXPECT_EQ(found, wanted) << name;
        EXPECT_EQ(blob, nullptr);
    }
}

TEST(EsysCrypto, AHashIsRefusedOfAnotherKindAndWithoutRoomForIt) {
    ESYS_CRYPTO_CONTEXT_BLOB* blob = nullptr;
    EXPECT_EQ(crypto.hash_start(&blob, TPM2_ALG_SM3_256, nullptr), TSS2_ESYS_RC_NOT_IMPLEMENTED);
    EXPECT_EQ(crypto.hash_start(nullptr, TPM2_ALG_SHA256, nullptr), TSS2_ESYS_RC_BAD_REFERENCE);
    ASSERT_EQ(crypto.hash_start(&blob, TPM2_ALG_SHA256, nullptr), TSS2_RC_SUCCESS);
    EXPECT_EQ(crypto.hash_update(blob, nullptr, 1, nullptr), TSS2_ESYS_RC_BAD_REFERENCE);
    EXPECT_EQ(finish(blob, {}, crypto.hash_update, crypto.hash_finish, 31).error(), TSS2_ESYS_RC_BAD_SIZE);
    ASSERT_NE(blob, nullptr);
    crypto.hash_abort(&blob, nullptr);
    EXPECT_EQ(blob, nullptr);
    crypto.hash_abort(&blob, nullptr);
    EXPECT_EQ(finish(blob, {}, crypto.hash_update, crypto.hash_finish).error(), TSS2_ESYS_RC_BAD_REFERENCE);
}

// RFC 4231, 4.3 and 4.7: a key shorter than a block, and one that is longer.
TEST(EsysCrypto, HmacsAreThoseOfTheRfc) {
    const std::vector<std::tuple<Octets, std::vector<Octets>, std::string>> cases{
        {text("Jefe"),
         {text("what do ya want "), text("for nothing?")},
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {Octets(131, 0xaa),
         {text("Test Using Larger Than Block-Size Key - Hash Key First")},
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"}};
    for (const auto& [key, parts, wanted] : cases) {
        ESYS_CRYPTO_CONTEXT_BLOB* blob = nullptr;
        ASSERT_EQ(crypto.hmac_start(&blob, TPM2_ALG_SHA256, key.data(), key.size(), nullptr), TSS2_RC_SUCCESS);
        EXPECT_EQ(to_hex(finish(blob, parts, crypto.hmac_update, crypto.hmac_finish).value()), wanted);
        EXPECT_EQ(blob, nullptr);
    }
}

TEST(EsysCrypto, AnHmacIsRefusedOfAnotherKindAndWithoutRoomForIt) {
    const Octets key = text("key");
    ESYS_CRYPTO_CONTEXT_BLOB* blob = nullptr;
    EXPECT_EQ(crypto.hmac_start(&blob, TPM2_ALG_SHA384, key.data(), key.size(), nullptr), TSS2_ESYS_RC_NOT_IMPLEMENTED);
    EXPECT_EQ(crypto.hmac_start(&blob, TPM2_ALG_SHA256, nullptr, 3, nullptr), TSS2_ESYS_RC_BAD_REFERENCE);
    ASSERT_EQ(crypto.hmac_start(&blob, TPM2_ALG_SHA256, key.data(), key.size(), nullptr), TSS2_RC_SUCCESS);
    EXPECT_EQ(finish(blob, {}, crypto.hmac_update, crypto.hmac_finish, 31).error(), TSS2_ESYS_RC_BAD_SIZE);
    crypto.hmac_abort(&blob, nullptr);
    EXPECT_EQ(blob, nullptr);
    crypto.hmac_abort(&blob, nullptr);
    EXPECT_EQ(finish(blob, {}, crypto.hmac_update, crypto.hmac_finish).error(), TSS2_ESYS_RC_BAD_REFERENCE);
}

// NIST SP 800-38A, F.3.13, and a last block that is not whole.
TEST(EsysCrypto, ParametersAreEncryptedAndDecryptedAsNistSays) {
    Octets key = *from_hex("2b7e151628aed2a6abf7158809cf4f3c"), iv = *from_hex("000102030405060708090a0b0c0d0e0f");
    const Octets plain = *from_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af");
    Octets octets = plain;
    const auto run = [&](auto function, TPM2_ALG_ID algorithm, TPMI_AES_KEY_BITS bits, TPM2_ALG_ID mode) {
        return function(key.data(), algorithm, bits, mode, octets.data(), octets.size(), iv.data(), nullptr);
    };
    EXPECT_EQ(run(crypto.aes_encrypt, TPM2_ALG_AES, 128, TPM2_ALG_CFB), TSS2_RC_SUCCESS);
    EXPECT_EQ(to_hex(octets), "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1c");
    EXPECT_EQ(run(crypto.aes_decrypt, TPM2_ALG_AES, 128, TPM2_ALG_CFB), TSS2_RC_SUCCESS);
    EXPECT_EQ(octets, plain);
    for (const auto function : {crypto.aes_encrypt, crypto.aes_decrypt}) {
        EXPECT_EQ(run(function, TPM2_ALG_AES, 256, TPM2_ALG_CFB), TSS2_ESYS_RC_NOT_IMPLEMENTED);
        EXPECT_EQ(run(function, TPM2_ALG_AES, 128, TPM2_ALG_CBC), TSS2_ESYS_RC_NOT_IMPLEMENTED);
        EXPECT_EQ(run(function, TPM2_ALG_SM4, 128, TPM2_ALG_CFB), TSS2_ESYS_RC_NOT_IMPLEMENTED);
    }
    EXPECT_EQ(run(crypto.sm4_encrypt, TPM2_ALG_SM4, 128, TPM2_ALG_CFB), TSS2_ESYS_RC_NOT_IMPLEMENTED);
    EXPECT_EQ(octets, plain);
}

TEST(EsysCrypto, NoncesAreRandomAndAsLongAsAskedFor) {
    TPM2B_NONCE one{}, other{};
    ASSERT_EQ(crypto.get_random2b(&one, 32, nullptr), TSS2_RC_SUCCESS);
    ASSERT_EQ(crypto.get_random2b(&other, 32, nullptr), TSS2_RC_SUCCESS);
    EXPECT_EQ(one.size, 32);
    EXPECT_FALSE(std::ranges::equal(OctetView(one.buffer, 32), OctetView(other.buffer, 32)));
    EXPECT_EQ(crypto.get_random2b(&one, 0, nullptr), TSS2_RC_SUCCESS);
    EXPECT_EQ(one.size, sizeof one.buffer);
    EXPECT_EQ(crypto.get_random2b(&one, sizeof one.buffer + 1, nullptr), TSS2_ESYS_RC_BAD_SIZE);
}

}  // namespace
