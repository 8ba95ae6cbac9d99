#include <gmock/gmock.h>

#include "tor/compact_identity.hpp"
#include "tor/rsa_key.hpp"
#include "tor_oracle.hpp"

namespace lethe {
namespace {

std::map<std::string, OctetView> views(const std::map<std::string, Secret>& families) {
    std::map<std::string, OctetView> result;
    for (const auto& [name, octets] : families) result.emplace(name, octets.expose());
    return result;
}

Result<KeySet> there_and_back(const KeySet& keys) {
    const CompactKeys compact = to_compact(keys);
    return from_compact(compact.keys.expose(), views(compact.families));
}

KeySet offline_with_families(const KeySet& keys) {
    KeyFiles files = offline_files(keys);
    add(files, family_files("fleet"));
    add(files, family_files("other"));
    return parse_key_files(std::move(files)).value();
}

TEST(CompactIdentity, AnOnlineRelayComesBackWithTheSameKeysInAsFewOctetsAsPromised) {
    for (const KeySet* keys : {&alice(), &bob()}) {
        EXPECT_EQ(to_compact(*keys).keys.size(), 193u);
        const auto back = there_and_back(*keys);
        ASSERT_TRUE(is_success(back));
        EXPECT_EQ(back->fingerprints, keys->fingerprints);
        EXPECT_TRUE(back->has_master_secret);
        EXPECT_EQ(back->signing_key_expires, 0);
        EXPECT_EQ(back->files.size(), 3u);
        for (const auto& [name, octets] : back->files) EXPECT_EQ(octets, keys->files.at(name)) << name;
        EXPECT_TRUE(ask_tor(back->files, false, keys->fingerprints).same_identity);
    }
}

TEST(CompactIdentity, AnOfflineRelayComesBackOctetForOctet) {
    const KeySet keys = offline_with_families(alice());
    EXPECT_EQ(to_compact(keys).keys.size(), 293u);
    const auto back = there_and_back(keys);
    ASSERT_TRUE(is_success(back));
    EXPECT_EQ(back->fingerprints, alice().fingerprints);
    EXPECT_FALSE(back->has_master_secret);
    EXPECT_EQ(back->signing_key_expires, alice().signing_key_expires);
    EXPECT_EQ(back->family_ids, keys.family_ids);
    KeyFiles expected = copy_of(keys.files);
    for (const char* name : {"fleet.public_family_id", "other.public_family_id"}) expected.erase(name);
    EXPECT_EQ(back->files, expected);
    EXPECT_TRUE(ask_tor(back->files, true, alice().fingerprints).same_identity);
}

// More RSA keys of tor's: the onion keys are made by the same function.
TEST(CompactIdentity, EveryRsaKeyThatTorMakesIsRebuiltOctetForOctet) {
    for (int made = 0; made < 6; ++made) {
        const TemporaryFolder scratch;
        const KeySet keys = create_keys(tor_program, scratch.path()).value();
        for (const std::string& name : {key_file::rsa_identity, key_file::onion}) {
            const RsaPrimes primes = rsa_primes(keys.files.at(name).expose()).value();
            const auto rebuilt = rsa_key_of_primes(primes.p_and_q.expose(), primes.form);
            ASSERT_TRUE(is_success(rebuilt));
            EXPECT_EQ(*rebuilt, keys.files.at(name));
        }
    }
}

// tor's OpenSSL takes the exponent modulo the product; by chance that is the least one.
TEST(CompactIdentity, AKeyWithTheLeastPrivateExponentKeepsIt) {
    const RsaPrimes primes = rsa_primes(alice().files.at(key_file::rsa_identity).expose()).value();
    KeyFiles files = copy_of(alice().files);
    files.insert_or_assign(key_file::rsa_identity, rsa_key_of_primes(primes.p_and_q.expose(), PrivateExponent::least).value());
    EXPECT_EQ(rsa_primes(files.at(key_file::rsa_identity).expose()).value().form, PrivateExponent::least);
    EXPECT_EQ(files.at(key_file::rsa_identity) == alice().files.at(key_file::rsa_identity), primes.form == PrivateExponent::least);
    const auto keys = parse_key_files(std::move(files));
    ASSERT_TRUE(is_success(keys));
    EXPECT_EQ(keys->fingerprints, alice().fingerprints);
    EXPECT_EQ(there_and_back(*keys)->files.at(key_file::rsa_identity), keys->files.at(key_file::rsa_identity));
    EXPECT_TRUE(ask_tor(keys->files, false, alice().fingerprints).same_identity);
}

TEST(CompactIdentity, TruncatedAtEveryLengthOrLongerIsCorrupt) {
    for (const KeySet& keys : {parse_key_files(copy_of(alice().files)).value(), offline_with_families(alice())}) {
        const Secret octets = to_compact(keys).keys;
        for (std::size_t length = 0; length < octets.size(); ++length)
            ASSERT_TRUE(is_error(from_compact(octets.expose().first(length), {}), ErrorKind::corrupt, "")) << length;
        Secret longer(octets.size() + 1);
        std::ranges::copy(octets.expose(), longer.expose_mutable().begin());
        EXPECT_TRUE(is_error(from_compact(longer.expose(), {}), ErrorKind::corrupt, "too many"));
    }
}

TEST(CompactIdentity, AChangedOctetIsCorruptOrAnotherRsaKeyOrLeavesTheIdentityAsItIs) {
    const KeySet keys = offline_with_families(alice());
    const Secret whole = to_compact(keys).keys;
    for (std::size_t position = 0; position < whole.size(); ++position) {
        Secret changed = Secret::copy_of(whole.expose());
        changed.expose_mutable()[position] ^= 0x10;
        const auto back = from_compact(changed.expose(), {});
        EXPECT_TRUE(back || back.error().kind == ErrorKind::corrupt) << position;
        // The nonce prefix of the signing key is the one thing that nothing public depends on. A changed prime may be a prime by chance.
        const bool in_primes = position >= 1 && position < 129, in_prefix = position >= 261;
        EXPECT_TRUE(in_primes || back.has_value() == in_prefix) << position;
        EXPECT_TRUE(!in_primes || !back || back->fingerprints.rsa != alice().fingerprints.rsa) << position;
    }
}

TEST(CompactIdentity, UnknownFlagsAndBadFamiliesAreCorrupt) {
    const CompactKeys compact = to_compact(offline_with_families(alice()));
    Secret changed = Secret::copy_of(compact.keys.expose());
    changed.expose_mutable()[0] |= 4;
    EXPECT_TRUE(is_error(from_compact(changed.expose(), {}), ErrorKind::corrupt, "flags 0x0"));
    const OctetView family = compact.families.at("fleet").expose();
    EXPECT_TRUE(is_success(from_compact(compact.keys.expose(), {{"fleet", family}})));
    EXPECT_TRUE(is_error(from_compact(compact.keys.expose(), {{"fleet", family.first(63)}}), ErrorKind::corrupt, "63 octets"));
    EXPECT_TRUE(is_error(from_compact(compact.keys.expose(), {{"../x", family}}), ErrorKind::corrupt, "a family key"));
    std::map<std::string, OctetView> nine;
    for (int i = 0; i < 9; ++i) nine.emplace(std::format("f{}", i), family);
    EXPECT_TRUE(is_error(from_compact(compact.keys.expose(), nine), ErrorKind::corrupt, "more than 8"));
    nine.erase("f8");
    EXPECT_TRUE(is_success(from_compact(compact.keys.expose(), nine)));
}

}  // namespace
}  // namespace lethe
