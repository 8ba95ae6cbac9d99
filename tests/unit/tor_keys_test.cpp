#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <memory>

#include "tor/key_names.hpp"
#include "tor_keys.hpp"

namespace lethe {
namespace {

constexpr std::size_t tagged_header_octets = 32;
constexpr std::size_t scalar_octets = 32;

void replace(KeyFiles& files, const std::string& name, OctetView octets) { files.insert_or_assign(name, Secret::copy_of(octets)); }
void replace(KeyFiles& files, const std::string& name, std::string_view text) { replace(files, name, as_octets(text)); }

bool is_pem(const std::string& name) { return name == key_file::rsa_identity || name == key_file::onion; }

// Alice's files for a test of one of them many times over: without the onion key, whose check is costly, unless it is the one.
KeyFiles files_to_change(const std::string& name) {
    KeyFiles files = copy_of(alice().files);
    if (name != key_file::onion) files.erase(key_file::onion);
    return files;
}

// The last 32 octets of an expanded ed25519 key are the nonce prefix: any value there makes good signatures with the same public key.
bool is_nonce_prefix(const std::string& name, std::size_t position) {
    return (name == key_file::master_secret || name == key_file::signing_secret) && position >= tagged_header_octets + scalar_octets;
}

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

TEST(KeySet, KeysThatTorMadeAreWholeAndHaveItsFingerprints) {
    // create_keys compares with the fingerprints that tor printed; here the two relays differ, and every file is there.
    EXPECT_NE(alice().fingerprints, bob().fingerprints);
    EXPECT_EQ(alice().fingerprints.rsa_hex().size(), 40u);
    EXPECT_EQ(alice().fingerprints.ed25519_base64().size(), 43u);
    for (const std::string& name : required_key_files) EXPECT_TRUE(alice().files.contains(name)) << name;
    EXPECT_TRUE(alice().files.contains(key_file::onion));
    EXPECT_TRUE(alice().files.contains(key_file::onion_ntor));
    EXPECT_GT(alice().signing_key_expires, time(nullptr));
}

TEST(KeySet, OnionKeysMayBeAbsentAndMayHavePredecessors) {
    KeyFiles files = copy_of(alice().files);
    replace(files, key_file::onion_old, bob().files.at(key_file::onion).expose());
    replace(files, key_file::onion_ntor_old, bob().files.at(key_file::onion_ntor).expose());
    EXPECT_TRUE(is_success(parse_key_files(std::move(files))));

    KeyFiles identity_alone = copy_of(alice().files);
    identity_alone.erase(key_file::onion);
    identity_alone.erase(key_file::onion_ntor);
    EXPECT_TRUE(is_success(parse_key_files(std::move(identity_alone))));
}

TEST(KeySet, EachRequiredFileThatIsMissingIsNamed) {
    for (const std::string& name : required_key_files) {
        KeyFiles files = copy_of(alice().files);
        files.erase(name);
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument, name));
    }
    EXPECT_TRUE(is_error(parse_key_files({}), ErrorKind::invalid_argument, "missing"));
}

TEST(KeySet, AFileThatDoesNotBelongIsNamed) {
    for (const std::string name : {"notes.txt", "secret_id_key.bak", "SECRET_ID_KEY", "", "authority_identity_key"}) {
        KeyFiles files = copy_of(alice().files);
        replace(files, name, "x");
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument, '"' + name + '"'));
    }
    KeyFiles files = copy_of(alice().files);
    replace(files, "a\nb\x1b[0m", "x");
    EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument, "\"a?b?[0m\""));
}

TEST(KeySet, FormsOfALaterReleaseAreRefusedAsSuch) {
    for (const std::string name : {"ed25519_master_id_secret_key_encrypted", "fleet.secret_family_key", "fleet.public_family_id"}) {
        KeyFiles files = copy_of(alice().files);
        replace(files, name, "x");
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument, name + " is"));
    }
    KeyFiles offline = copy_of(alice().files);
    offline.erase(key_file::master_secret);
    EXPECT_TRUE(is_error(parse_key_files(std::move(offline)), ErrorKind::invalid_argument, "offline is not supported yet"));
}

TEST(KeySet, EveryFileTruncatedAtEveryLengthIsCorruptAndNamed) {
    for (const auto& [name, octets] : alice().files) {
        // The NUL with which tor ends a PEM file is not needed.
        for (std::size_t length = 0; length < octets.size() - is_pem(name); ++length) {
            KeyFiles files = files_to_change(name);
            replace(files, name, octets.expose().first(length));
            ASSERT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, name)) << length;
        }
    }
}

TEST(KeySet, EveryFileWithOctetsAddedIsCorruptAndNamed) {
    for (const auto& [name, octets] : alice().files) {
        for (const char added : {'\n', '\0', 'x'}) {
            KeyFiles files = copy_of(alice().files);
            replace(files, name, std::string(as_text(octets.expose())) + added);
            EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, name));
        }
    }
}

TEST(KeySet, AFlippedBitAnywhereIsCorruptAndNamed) {
    for (const auto& [name, octets] : alice().files) {
        // Each flip in a PEM file costs a primality test, so that only some are tried: every position modulo 8 with every bit.
        const std::size_t step = is_pem(name) ? 31 : 1;
        for (std::size_t bit = 0; bit < octets.size() * 8; bit += step) {
            if (is_nonce_prefix(name, bit / 8)) continue;
            KeyFiles files = files_to_change(name);
            files.at(name).expose_mutable()[bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
            ASSERT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, name)) << "bit " << bit;
        }
    }
}

TEST(KeySet, AHighBitInABase64CharacterIsCorrupt) {
    for (std::size_t position = 40; position < 800; ++position) {
        KeyFiles files = files_to_change(key_file::rsa_identity);
        files.at(key_file::rsa_identity).expose_mutable()[position] |= 0x80;
        ASSERT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, "base64")) << position;
    }
}

TEST(KeySet, AFlippedBitInTheNoncePrefixLeavesTheIdentityAsItIs) {
    KeyFiles files = copy_of(alice().files);
    files.at(key_file::master_secret).expose_mutable()[95] ^= 1;
    const auto keys = parse_key_files(std::move(files));
    ASSERT_TRUE(is_success(keys));
    EXPECT_EQ(keys->fingerprints, alice().fingerprints);
}

TEST(KeySet, FilesOfAnotherRelayDoNotMatch) {
    for (const std::string& name :
         {key_file::master_secret, key_file::master_public, key_file::signing_secret, key_file::signing_certificate}) {
        KeyFiles files = copy_of(alice().files);
        replace(files, name, bob().files.at(name).expose());
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, name));
    }
    // Both signing files of another relay fit each other, but not the master key.
    KeyFiles files = copy_of(alice().files);
    for (const std::string& name : {key_file::signing_secret, key_file::signing_certificate})
        replace(files, name, bob().files.at(name).expose());
    EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, "signed by another master key"));
}

TEST(KeySet, KeysOfOneKindDoNotPassForAnother) {
    for (const auto& [name, other] : {std::pair{key_file::master_secret, key_file::signing_secret},
                                      {key_file::signing_secret, key_file::master_secret},
                                      {key_file::onion_ntor, key_file::master_secret},
                                      {key_file::rsa_identity, key_file::onion_ntor}}) {
        KeyFiles files = copy_of(alice().files);
        replace(files, name, alice().files.at(other).expose());
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::corrupt, name));
    }
}

TEST(KeySet, AnRsaKeyOfAnotherSizeExponentOrFormIsRefused) {
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

TEST(IdentityPayload, DecodesToTheSameFilesAndFingerprints) {
    const auto decoded = decode_identity(encode_identity(alice()));
    ASSERT_TRUE(is_success(decoded));
    EXPECT_EQ(decoded->fingerprints, alice().fingerprints);
    EXPECT_EQ(decoded->signing_key_expires, alice().signing_key_expires);
    EXPECT_EQ(decoded->files, alice().files);
}

TEST(IdentityPayload, HoldsManifestAndFilesAsTheFormatSays) {
    const Secret payload = encode_identity(alice());
    const OctetView octets = payload.expose();
    EXPECT_EQ(to_hex(octets.first(2)), "0001");
    EXPECT_TRUE(std::ranges::equal(octets.subspan(2, 20), alice().fingerprints.rsa));
    EXPECT_TRUE(std::ranges::equal(octets.subspan(22, 32), alice().fingerprints.ed25519));
    EXPECT_EQ(to_hex(octets.subspan(54, 4)), "0007001c");  // seven files; the first name has 28 octets
    EXPECT_EQ(as_text(octets.subspan(58, 28)), key_file::master_public);
}

TEST(IdentityPayload, KeysThatAreNotTheManifestsAreCorrupt) {
    KeySet keys{copy_of(alice().files), alice().fingerprints, 0};
    // The RSA key of another relay: nothing but the manifest tells.
    replace(keys.files, key_file::rsa_identity, bob().files.at(key_file::rsa_identity).expose());
    EXPECT_TRUE(
        is_error(decode_identity(encode_identity(keys)), ErrorKind::corrupt, "the manifest says " + alice().fingerprints.rsa_hex()));

    const KeySet whole_other_relay{copy_of(bob().files), alice().fingerprints, 0};
    EXPECT_TRUE(is_error(decode_identity(encode_identity(whole_other_relay)), ErrorKind::corrupt, "the manifest says"));
}

TEST(IdentityPayload, AMissingOrForeignFileIsCorrupt) {
    KeySet keys{copy_of(alice().files), alice().fingerprints, 0};
    keys.files.erase(key_file::master_secret);
    EXPECT_TRUE(is_error(decode_identity(encode_identity(keys)), ErrorKind::corrupt, key_file::master_secret));
    keys.files = copy_of(alice().files);
    replace(keys.files, "zzz", "x");
    EXPECT_TRUE(is_error(decode_identity(encode_identity(keys)), ErrorKind::corrupt, "zzz"));
}

TEST(IdentityPayload, TruncatedAtEveryLengthIsCorrupt) {
    const Secret payload = encode_identity(alice());
    for (std::size_t length = 0; length < payload.size(); ++length)
        ASSERT_TRUE(is_error(decode_identity(payload.prefix(length)), ErrorKind::corrupt, "")) << length;
}

TEST(IdentityPayload, AnotherVersionAndTrailingOctetsAreCorrupt) {
    Secret payload = encode_identity(alice());
    payload.expose_mutable()[1] = 2;
    EXPECT_TRUE(is_error(decode_identity(payload), ErrorKind::corrupt, "version 2"));
    payload.expose_mutable()[1] = 1;
    Secret longer(payload.size() + 1);
    std::ranges::copy(payload.expose(), longer.expose_mutable().begin());
    EXPECT_TRUE(is_error(decode_identity(longer), ErrorKind::corrupt, "1 octets too many"));
}

TEST(IdentityPayload, FilesOutOfOrderOrTwiceAreCorrupt) {
    OctetWriter writer;
    writer.u16(1).raw(alice().fingerprints.rsa).raw(alice().fingerprints.ed25519).u16(2);
    writer.sized16(as_octets("b")).sized16({}).sized16(as_octets("b")).sized16({});
    EXPECT_TRUE(is_error(decode_identity(Secret::copy_of(writer.octets())), ErrorKind::corrupt, "order"));
    OctetWriter many;
    many.u16(1).raw(alice().fingerprints.rsa).raw(alice().fingerprints.ed25519).u16(17);
    EXPECT_TRUE(is_error(decode_identity(Secret::copy_of(many.octets())), ErrorKind::corrupt, "17 files"));
}

}  // namespace
}  // namespace lethe
