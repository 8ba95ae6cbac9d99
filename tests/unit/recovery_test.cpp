#include <gtest/gtest.h>

#include <algorithm>
#include <format>
#include <numeric>
#include <utility>

#include "vault/recovery_key.hpp"

namespace lethe {
namespace {

constexpr std::string_view frozen_public = "lethe-recovery-1:B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9_AsrhtHHxoJbIP";
constexpr std::string_view frozen_secret = "lethe-recovery-secret-1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyCg7vCz";

Secret text_secret(std::string_view text) { return Secret::copy_of(as_octets(text)); }

RecoverySecretKey counting_key() {
    Secret octets(32);
    std::ranges::iota(octets.expose_mutable(), std::uint8_t{1});
    return RecoverySecretKey(std::move(octets));
}

std::string refusal_of_public(std::string_view text) {
    const auto key = parse_recovery_public(text);
    if (key) return "";
    EXPECT_EQ(key.error().kind, ErrorKind::invalid_argument);
    return key.error().message;
}

std::string refusal_of_secret(std::string_view text) {
    const auto key = parse_recovery_secret(text_secret(text));
    if (key) return "";
    EXPECT_EQ(key.error().kind, ErrorKind::invalid_argument);
    return key.error().message;
}

TEST(RecoveryKey, EachOneIsAnotherAndBothHalvesBelongTogether) {
    const RecoveryKeyPair first = make_recovery_key();
    const RecoveryKeyPair second = make_recovery_key();
    EXPECT_NE(first.public_key, second.public_key);
    EXPECT_EQ(public_key_of(first.secret_key), first.public_key);
    EXPECT_NE(public_key_of(second.secret_key), first.public_key);
}

TEST(RecoveryKey, ComesBackFromItsText) {
    const RecoveryKeyPair pair = make_recovery_key();
    EXPECT_EQ(*parse_recovery_public(encode_recovery_public(pair.public_key)), pair.public_key);
    EXPECT_EQ(parse_recovery_secret(encode_recovery_secret(pair.secret_key))->octets(), pair.secret_key.octets());
}

TEST(RecoveryKey, KeepsTheTextThatPeopleHavePrinted) {
    const RecoverySecretKey key = counting_key();
    EXPECT_EQ(encode_recovery_public(public_key_of(key)), frozen_public);
    EXPECT_EQ(encode_recovery_secret(key), text_secret(frozen_secret));
    EXPECT_EQ(to_hex(parse_recovery_public(frozen_public)->octets()), "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c");
    EXPECT_EQ(parse_recovery_secret(text_secret(frozen_secret))->octets(), key.octets());
}

TEST(RecoveryKey, MayHaveWhiteSpaceAroundItButNotInIt) {
    EXPECT_TRUE(parse_recovery_public(std::format(" \t{}\r\n", frozen_public)));
    EXPECT_TRUE(parse_recovery_secret(text_secret(std::format("\n{}\n", frozen_secret))));
    std::string broken(frozen_public);
    broken.insert(30, "\n");
    EXPECT_TRUE(refusal_of_public(broken).contains("in one line")) << refusal_of_public(broken);
    EXPECT_FALSE(refusal_of_public(" \n").empty());
    EXPECT_FALSE(refusal_of_secret("").empty());
}

TEST(RecoveryKey, WithOneCharacterChangedIsRefused) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ =/+.:\xff";
    for (std::size_t i = 0; i < frozen_public.size(); ++i)
        for (const char c : alphabet) {
            std::string typo(frozen_public);
            if (std::exchange(typo[i], c) == c || c == ' ') continue;
            EXPECT_FALSE(refusal_of_public(typo).empty()) << typo;
        }
    for (std::size_t i = 0; i < frozen_secret.size(); ++i) {
        std::string typo(frozen_secret);
        typo[i] = typo[i] == 'x' ? 'y' : 'x';
        EXPECT_FALSE(refusal_of_secret(typo).empty()) << i;
    }
}

TEST(RecoveryKey, WithTwoNeighboursSwappedOrOneLeftOutOrDoubledIsRefused) {
    for (std::size_t i = 0; i + 1 < frozen_public.size(); ++i) {
        std::string swapped(frozen_public);
        std::swap(swapped[i], swapped[i + 1]);
        EXPECT_EQ(refusal_of_public(swapped).empty(), swapped == frozen_public) << swapped;
        std::string shorter(frozen_public);
        shorter.erase(i, 1);
        EXPECT_FALSE(refusal_of_public(shorter).empty()) << shorter;
        std::string longer(frozen_public);
        longer.insert(i, 1, longer[i]);
        EXPECT_FALSE(refusal_of_public(longer).empty()) << longer;
    }
}

TEST(RecoveryKey, OfTheOtherHalfIsRefusedByName) {
    EXPECT_TRUE(refusal_of_public(frozen_secret).starts_with("this is the secret recovery key; the public one is needed"));
    EXPECT_TRUE(refusal_of_secret(frozen_public).starts_with("this is the public recovery key; the secret one is needed"));
    // The prefix is under the checksum: exchanging it makes no key.
    const std::string disguised = "lethe-recovery-1:" + std::string(frozen_secret.substr(frozen_secret.find(':') + 1));
    EXPECT_TRUE(refusal_of_public(disguised).contains("checksum")) << refusal_of_public(disguised);
}

TEST(RecoveryKey, OfAnotherVersionIsRefused) {
    std::string other(frozen_public);
    other.replace(other.find('1'), 1, "2");
    EXPECT_TRUE(refusal_of_public(other).contains("that this release knows")) << refusal_of_public(other);
}

TEST(RecoveryKey, ARefusalNeverQuotesTheSecret) {
    const std::string_view body = frozen_secret.substr(frozen_secret.find(':') + 1);
    for (const std::string& text : {std::string(frozen_secret) + "A", std::string(frozen_secret.substr(0, 60)), std::string(body)}) {
        const std::string message = refusal_of_secret(text);
        EXPECT_FALSE(message.empty());
        EXPECT_FALSE(message.contains(body.substr(0, 8))) << message;
    }
}

TEST(RecoveryPublicKey, OfLowOrderOrNotReducedIsRefused) {
    const auto refused = [](Octets octets) { return RecoveryPublicKey::from(octets).error().kind == ErrorKind::invalid_argument; };
    Octets one(32, 0);
    one[0] = 1;
    Octets prime(32, 0xff);
    prime.front() = 0xed;
    prime.back() = 0x7f;
    Octets below_prime = prime;
    --below_prime.front();
    Octets nine(32, 0);
    nine.front() = 9;
    Octets nine_and_the_prime = prime;
    nine_and_the_prime.front() = 0xf6;
    Octets nine_and_the_top_bit = nine;
    nine_and_the_top_bit.back() = 0x80;
    const Octets of_order_8 = from_hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800").value();
    for (const Octets& octets : {Octets(32, 0), one, prime, below_prime, of_order_8, nine_and_the_prime, nine_and_the_top_bit})
        EXPECT_TRUE(refused(octets)) << to_hex(octets);
    EXPECT_TRUE(refused(Octets(31, 9)));
    EXPECT_TRUE(refused(Octets(33, 9)));
    EXPECT_TRUE(RecoveryPublicKey::from(nine));
}

TEST(RecoverySetting, RoundTripsAndAnythingElseIsCorrupt) {
    const RecoveryPublicKey key = make_recovery_key().public_key;
    const Secret payload = encode_recovery_setting(key);
    EXPECT_EQ(payload.size(), 34u);
    EXPECT_EQ(*decode_recovery_setting(payload), key);
    for (std::size_t length = 0; length < payload.size(); ++length)
        EXPECT_EQ(decode_recovery_setting(payload.prefix(length)).error().kind, ErrorKind::corrupt);
    Secret longer(payload.size() + 1);
    std::ranges::copy(payload.expose(), longer.expose_mutable().begin());
    EXPECT_EQ(decode_recovery_setting(longer).error().kind, ErrorKind::corrupt);
    Secret newer = Secret::copy_of(payload.expose());
    newer.expose_mutable()[1] = 2;
    EXPECT_EQ(decode_recovery_setting(newer).error().kind, ErrorKind::corrupt);
    Secret no_key(payload.size());
    no_key.expose_mutable()[1] = 1;
    EXPECT_EQ(decode_recovery_setting(no_key).error().kind, ErrorKind::corrupt);
}

TEST(KeyBox, OpensForItsRecipientAndPurposeAlone) {
    const RecoveryKeyPair pair = make_recovery_key();
    const Secret key = Secret::random(32);
    const Octets box = box_key(BoxedKey::vault, key, pair.public_key);
    EXPECT_EQ(box.size(), key_box_octets);
    EXPECT_EQ(*unbox_key(BoxedKey::vault, box, pair.secret_key), key);
    EXPECT_EQ(unbox_key(BoxedKey::exported, box, pair.secret_key).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(unbox_key(BoxedKey::vault, box, make_recovery_key().secret_key).error().kind, ErrorKind::corrupt);
    EXPECT_NE(box_key(BoxedKey::vault, key, pair.public_key), box);
}

TEST(KeyBox, ChangedOrCutAnywhereIsCorrupt) {
    const RecoveryKeyPair pair = make_recovery_key();
    const Octets box = box_key(BoxedKey::vault, Secret::random(32), pair.public_key);
    for (std::size_t i = 0; i < box.size(); ++i) {
        Octets changed = box;
        changed[i] ^= 0x10;
        EXPECT_EQ(unbox_key(BoxedKey::vault, changed, pair.secret_key).error().kind, ErrorKind::corrupt) << i;
        EXPECT_EQ(unbox_key(BoxedKey::vault, OctetView(box).first(i), pair.secret_key).error().kind, ErrorKind::corrupt) << i;
    }
}

}  // namespace
}  // namespace lethe
