#include <algorithm>

#include "tor_keys.hpp"

namespace lethe {
namespace {

TEST(IdentityPayload, DecodesToTheSameFilesAndFingerprints) {
    const auto decoded = decode_identity(encode_identity(alice()));
    ASSERT_TRUE(is_success(decoded));
    EXPECT_EQ(decoded->fingerprints, alice().fingerprints);
    EXPECT_EQ(decoded->signing_key_expires, alice().signing_key_expires);
    EXPECT_EQ(decoded->files, alice().files);
    EXPECT_TRUE(decoded->has_master_secret);
}

TEST(IdentityPayload, HoldsOfflineSetsAndFamilyKeysToo) {
    KeyFiles files = offline_files(alice());
    for (int i = 0; i < 8; ++i) add(files, family_files(std::format("fleet{}", i)));
    const auto keys = parse_key_files(std::move(files));
    ASSERT_TRUE(is_success(keys));
    const auto decoded = decode_identity(encode_identity(*keys));
    ASSERT_TRUE(is_success(decoded));
    EXPECT_EQ(decoded->fingerprints, alice().fingerprints);
    EXPECT_FALSE(decoded->has_master_secret);
    EXPECT_EQ(decoded->family_ids.size(), 8u);
    EXPECT_EQ(decoded->family_ids, keys->family_ids);
    EXPECT_EQ(decoded->files, keys->files);
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
    KeySet keys{copy_of(alice().files), alice().fingerprints};
    // The RSA key of another relay: nothing but the manifest tells.
    replace(keys.files, key_file::rsa_identity, bob().files.at(key_file::rsa_identity).expose());
    EXPECT_TRUE(
        is_error(decode_identity(encode_identity(keys)), ErrorKind::corrupt, "the manifest says " + alice().fingerprints.rsa_hex()));

    const KeySet whole_other_relay{copy_of(bob().files), alice().fingerprints};
    EXPECT_TRUE(is_error(decode_identity(encode_identity(whole_other_relay)), ErrorKind::corrupt, "the manifest says"));
}

// What is sealed was looked at as a whole before, and is authenticated: the arithmetic is left to the look right before tor starts.
TEST(IdentityPayload, KeysThatDoNotBelongTogetherAreFoundWhereTheyAreInstalledAndNotHere) {
    for (const std::string& name :
         {key_file::master_secret, key_file::signing_secret, key_file::signing_certificate, key_file::onion_ntor}) {
        KeySet keys{copy_of(alice().files), alice().fingerprints};
        auto octets = Secret::copy_of(alice().files.at(name).expose());
        octets.expose_mutable().back() ^= 1;  // the nonce prefix of a secret key, which is arbitrary
        if (name == key_file::master_secret || name == key_file::signing_secret) octets = Secret::copy_of(bob().files.at(name).expose());
        replace(keys.files, name, octets.expose());
        auto decoded = decode_identity(encode_identity(keys));
        ASSERT_TRUE(is_success(decoded)) << name;
        const auto certificate = name == key_file::signing_secret ? key_file::signing_certificate : name;
        EXPECT_TRUE(is_error(parse_key_files(copy_of(decoded->files), Scrutiny::sealed), ErrorKind::corrupt, certificate));
        EXPECT_TRUE(is_error(parse_key_files(std::move(decoded->files), Scrutiny::whole), ErrorKind::corrupt, certificate));
    }
}

TEST(IdentityPayload, WithoutAPublicFileTheFingerprintIsThatOfTheSecret) {
    KeySet keys{copy_of(alice().files), alice().fingerprints};
    for (const std::string& name : {key_file::master_public, key_file::signing_certificate, key_file::signing_secret})
        keys.files.erase(name);
    EXPECT_TRUE(is_success(decode_identity(encode_identity(keys))));
    replace(keys.files, key_file::master_secret, bob().files.at(key_file::master_secret).expose());
    EXPECT_TRUE(is_error(decode_identity(encode_identity(keys)), ErrorKind::corrupt, "the manifest says"));
}

TEST(IdentityPayload, AMissingOrForeignFileIsCorrupt) {
    KeySet keys{copy_of(alice().files), alice().fingerprints};
    keys.files.erase(key_file::rsa_identity);
    EXPECT_TRUE(is_error(decode_identity(encode_identity(keys)), ErrorKind::corrupt, key_file::rsa_identity));
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
    many.u16(1).raw(alice().fingerprints.rsa).raw(alice().fingerprints.ed25519).u16(33);
    EXPECT_TRUE(is_error(decode_identity(Secret::copy_of(many.octets())), ErrorKind::corrupt, "33 files"));
}

}  // namespace
}  // namespace lethe
