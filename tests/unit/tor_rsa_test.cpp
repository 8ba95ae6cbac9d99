#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "tor/rsa_key.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

std::string new_rsa_pem(unsigned bits, unsigned exponent) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr);
    EVP_PKEY* key = nullptr;
    BIGNUM* e = BN_new();
    BN_set_word(e, exponent);
    EVP_PKEY_keygen_init(context);
    EVP_PKEY_CTX_set_rsa_keygen_bits(context, static_cast<int>(bits));
    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e);
    EVP_PKEY_generate(context, &key);
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey_traditional(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long length = BIO_get_mem_data(memory, &text);
    std::string pem(text, static_cast<std::size_t>(length));
    BIO_free(memory);
    BN_free(e);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(context);
    return pem;
}

std::string pkcs8_pem_in_pkcs1_armour(OctetView pkcs1_pem) {
    BIO* input = BIO_new_mem_buf(pkcs1_pem.data(), static_cast<int>(pkcs1_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(input, nullptr, nullptr, nullptr);
    BIO* output = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(output, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long length = BIO_get_mem_data(output, &text);
    std::string pem(text, static_cast<std::size_t>(length));
    for (const char* edge : {"BEGIN ", "END "}) pem.replace(pem.find(edge), std::string_view(edge).size(), edge + std::string("RSA "));
    BIO_free(input);
    BIO_free(output);
    EVP_PKEY_free(key);
    return pem;
}

// What a sealed object held is spared the primality tests, and nothing else: cheap enough for every bit.
TEST(RsaKey, AFlippedBitInAnRsaKeyIsCorruptWithoutPrimalityTestsToo) {
    const OctetView pem = alice().files.at(key_file::rsa_identity).expose();
    EXPECT_EQ(*check_rsa_key(pem, Scrutiny::sealed), alice().fingerprints.rsa);
    for (std::size_t bit = 0; bit < pem.size() * 8; ++bit) {
        Secret changed = Secret::copy_of(pem);
        changed.expose_mutable()[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
        ASSERT_TRUE(is_error(check_rsa_key(changed.expose(), Scrutiny::sealed), ErrorKind::corrupt, "")) << "bit " << bit;
    }
}

TEST(RsaKey, EachNumberOfAnRsaKeyIsCheckedAgainstTheOthers) {
    const RsaPrimes primes = rsa_primes(alice().files.at(key_file::rsa_identity).expose()).value();
    const OctetView octets = primes.p_and_q.expose();
    const auto with = [&](auto change) {
        RsaNumbers key = rsa_numbers_of_primes(octets.first(64), octets.last(64), primes.form).value();
        change(key);
        return check_rsa_numbers(key);
    };
    EXPECT_TRUE(is_success(with([](RsaNumbers&) {})));
    for (const auto number : {&RsaNumbers::n, &RsaNumbers::e, &RsaNumbers::d, &RsaNumbers::p, &RsaNumbers::q, &RsaNumbers::dp,
                              &RsaNumbers::dq, &RsaNumbers::q_inverse})
        EXPECT_TRUE(is_error(with([&](RsaNumbers& key) { BN_add_word((key.*number).get(), 2); }), ErrorKind::corrupt, ""));
    EXPECT_TRUE(is_error(with([](RsaNumbers& key) { std::swap(key.p, key.q); }), ErrorKind::corrupt, "belong together"));
    // The same modulo p-1, q-1 or p, but not the number that belongs there.
    EXPECT_TRUE(is_error(with([](RsaNumbers& key) { BN_add(key.q_inverse.get(), key.q_inverse.get(), key.p.get()); }), ErrorKind::corrupt,
                         "belong together"));
}

TEST(RsaKey, ARsaKeyOfNumbersThatAreNoPrimesIsRefusedUnlessItWasSealed) {
    const Secret pem = rsa_key_of_no_primes();
    EXPECT_TRUE(is_success(check_rsa_key(pem.expose(), Scrutiny::sealed)));
    EXPECT_TRUE(is_error(check_rsa_key(pem.expose(), Scrutiny::whole), ErrorKind::corrupt, "belong together"));
}

TEST(RsaKey, AHighBitInABase64CharacterIsCorrupt) {
    for (std::size_t position = 40; position < 800; ++position) {
        Secret changed = Secret::copy_of(alice().files.at(key_file::rsa_identity).expose());
        changed.expose_mutable()[position] |= 0x80;
        ASSERT_TRUE(is_error(check_rsa_key(changed.expose()), ErrorKind::corrupt, "base64")) << position;
    }
}

TEST(RsaKey, AnRsaKeyOfAnotherSizeExponentOrFormIsRefused) {
    const auto with_identity_key = [](const std::string& pem) {
        KeyFiles files = copy_of(alice().files);
        replace(files, key_file::rsa_identity, pem);
        return parse_key_files(std::move(files));
    };
    EXPECT_TRUE(is_success(with_identity_key(new_rsa_pem(1024, 65537))));
    EXPECT_TRUE(is_error(with_identity_key(new_rsa_pem(2048, 65537)), ErrorKind::corrupt, "2048 bits"));
    EXPECT_TRUE(is_error(with_identity_key(new_rsa_pem(1024, 3)), ErrorKind::corrupt, "exponent"));
    EXPECT_TRUE(is_error(with_identity_key(pkcs8_pem_in_pkcs1_armour(alice().files.at(key_file::rsa_identity).expose())),
                         ErrorKind::corrupt, "PKCS#1"));
    EXPECT_TRUE(
        is_error(with_identity_key("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n"), ErrorKind::corrupt, "PKCS#1"));
    EXPECT_TRUE(is_error(with_identity_key("-----BEGIN RSA PRIVATE KEY-----\nMIIC\n!\n-----END RSA PRIVATE KEY-----\n"), ErrorKind::corrupt,
                         "base64"));
}

}  // namespace
}  // namespace lethe
