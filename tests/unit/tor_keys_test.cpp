#include "tor_keys.hpp"

namespace lethe {
namespace {

constexpr std::size_t tagged_header_octets = 32;
constexpr std::size_t scalar_octets = 32;

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

TEST(KeySet, KeysThatTorMadeAreWholeAndHaveItsFingerprints) {
    // create_keys compares with the fingerprints that tor printed; here the two relays differ, and every file is there.
    EXPECT_NE(alice().fingerprints, bob().fingerprints);
    EXPECT_EQ(alice().fingerprints.rsa_hex().size(), 40u);
    EXPECT_EQ(alice().fingerprints.ed25519_base64().size(), 43u);
    for (const std::string& name : identity_key_files) EXPECT_TRUE(alice().files.contains(name)) << name;
    EXPECT_TRUE(alice().has_master_secret);
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

TEST(KeySet, AnEncryptedMasterKeyIsRefusedWithAdviceBesideAnySet) {
    for (int form = 0; form < 3; ++form) {
        KeyFiles files = form == 0 ? copy_of(alice().files) : form == 1 ? offline_files(alice()) : KeyFiles();
        replace(files, key_file::master_encrypted, "== Boxed Ed25519 key: master ==");
        EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument,
                             "ed25519_master_id_secret_key_encrypted is encrypted, and Lethe has no passphrase: leave it on"));
    }
    KeyFiles files = copy_of(alice().files);
    replace(files, "ed25519_signing_secret_key_encrypted", "x");
    EXPECT_TRUE(is_error(parse_key_files(std::move(files)), ErrorKind::invalid_argument, "without one"));
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

}  // namespace
}  // namespace lethe
