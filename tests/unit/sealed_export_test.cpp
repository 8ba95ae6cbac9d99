#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

#include "vault/sealed_export.hpp"

namespace lethe {
namespace {

constexpr std::string_view frozen_payload = "the keys of relay1";
constexpr std::string_view frozen_secret = "lethe-recovery-secret-1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyCg7vCz";
constexpr std::string_view frozen_to_recipient =
    "4c4554484545585000010172656c617931000000000000000000000000000000000000000000000000000007a37cbc142093c8b755dc1b10e86cb426374ad16a"
    "a853ed0bdfc0b2b86d1c7c6f67565ab6875b12ef4bc72d8e74997a76c6dbf2bab85f0f2f9fe2d9442f41502e10f6b11757079eb2c82ca5c320f6392ff25b75b0"
    "04eb11816300203d9b95f246dd6084fb004f252cae9c792784c5fc63e70d4541dfda019e463306c2b4b6f8dfa50172ae92a5d953c026cc66f94026d99cd16a23"
    "109649000002102707721f964ebc08a4250debf11a15e0862aa67f778e1ce38a8692b61a8ad701b35e9437108f6bdc9fdd226a2513ddb85c75d04b4864b9abe6"
    "6901de883127fa7cb6d5789a552f5b9840e4a98b5c493dd2e010b0f07a7bd826320640fedf29877ee9cbf150851fdde54115e8eb6db6dbcbc0ec8b9ef9eca759"
    "60632ad5942e018c9bea54f2e6080c7af6f78882648f7a1ab900aa99b7936e31483da893d9c4108764b3ef1d03c312b4ecb2dec01383a24d693b913869483982"
    "4cbcf2736d3bdb9c7135214f4917d1cc0c7d921937acdff764058860c4661e6168c7937ed4a535e04bd3584d751ee4f505762bf71ca68e277554bf735ce2fb90"
    "6265a7413420133c87ec0c149f45a1cf3f7f20cedbf67fd588db3eb6e941e84357135779313797928627c543caed363e8ecbe845e388a096dbba058f833f7fa5"
    "c9a2d28d631f196a0696477c4c9ee999721d7b409f238a6eb984665dcb7ec5112f22793b03c05473dcb37e10f2e41deddf4e996411031594b134669d7834d34e"
    "d58ef142754eab3249a5d178d400313026def25d04734bfac066735a6136ee484df998c9e4af3c25d11267584bc86dc23b26b371dbbdb1e75476ac72c1aa4c35"
    "4e960de644c065a71d2aea28f1ad26bd8266a5da1edc557352f811dd09549268aa4ed81b57e18aad7ab803cb887fffc2c8256d47a0285fbcd355e09e8fc5d006"
    "23e0d44ff00f9b087e5cd8c2e8c3a4bbb834fd6048ae52";
constexpr std::string_view frozen_passphrase = "correct horse battery";
constexpr std::string_view frozen_under_passphrase =
    "4c4554484545585000010272656c61793100000000000000000000000000000000000000000000000000007de1670d5bb33deb7487e08979b242370000000304"
    "000000523b23ae97c6a28b318418ba2683777ce22d767fec130c8500000210c95c9a02665de416397c365c2ef78aa5d176fc5f10fb5990adff070c828c338e62"
    "5c6c20d3b7cb563dd89858a9b0c194957579906663f95d0ebaa08f5c6d89db90ee987126fe5692f047b32043bb08fd5aa149aae7657894c03f06c2c06e0bcc94"
    "f8303ff3507a5e4c38516080a82e2cd55d551c5ed3fb33d493912aeebc241eeaa42c0b8c2bccddb0090db61da4be29ac3dd5fea7f29cb775264b6a896940a74c"
    "5df571de50ced130f1d8d629228f93596f9fe68a3cba733e089e80f38a2653939538e7f58d37c36fb4c180934b33d6e713dc88a80d0bbcfd6ab20e9ceba9d230"
    "d8a8c52792e7bb4ac09095ff36ae6ab977067c277d138c03f016b7a5656f053576525b73eaac7edac857ea795098e36ab2808d2c3aef2269a6600c116a204075"
    "8f8f570e57dd0b5dbdf3de6d8f628863562707e1391341d37724ceaaeaaa5a39c03b8826e19471050504cc35b9a88e5da358025e4154d79722b4a3d0c7a663eb"
    "de308015eb7e5231550b2a90defd383abc1c2959fd672f1bec813657d2409e5cd4276f45f3bcc52bf881a13ff4d6d2abccce15bef91dc3ec6c1f7022f3ab79df"
    "ed0b60921e2207e3071de65030d252abeb334820712b80cd1339a0fb3adc7db95d4644abd0b17acfc4a647801b6e08f1a248b7568b38caa41a3cb48406eabf06"
    "5f1f611d8a3af87c9cd716f736d35984cfe31bafbbffa2ba33aedaa5942a24c9ef9ff04be73696bcae5197986de27f";

// Where fields begin, of docs/formats.md.
constexpr std::size_t at_version = 8;
constexpr std::size_t at_protection = 10;
constexpr std::size_t at_name = 11;
constexpr std::size_t at_recipient = 43;
constexpr std::size_t at_salt = 43;
constexpr std::size_t at_passes = 59;
constexpr std::size_t at_memory = 63;
constexpr std::size_t recipient_header_octets = 199;
constexpr std::size_t passphrase_header_octets = 95;

Secret text_secret(std::string_view text) { return Secret::copy_of(as_octets(text)); }

Octets with_u32(Octets file, std::size_t offset, std::uint32_t value) {
    std::ranges::copy(OctetWriter().u32(value).octets(), file.begin() + static_cast<std::ptrdiff_t>(offset));
    return file;
}

ErrorKind header_refusal(OctetView file) {
    const auto header = read_export_header(file);
    EXPECT_FALSE(header);
    return header ? ErrorKind::io : header.error().kind;
}

struct SealedExport : testing::Test {
    RecoveryKeyPair pair = make_recovery_key();
    Secret payload = Secret::random(1200);
    Octets file = seal_export("relay1", payload, pair.public_key).value();
    Octets frozen = from_hex(frozen_under_passphrase).value();
};

TEST_F(SealedExport, OpensWithTheKeyOfItsRecipient) {
    const auto opened = open_export(file, pair.secret_key);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->relay, "relay1");
    EXPECT_EQ(opened->payload, payload);
}

TEST_F(SealedExport, SaysWhoseAndForWhomItIs) {
    EXPECT_EQ(*read_export_header(file), (ExportHeader{1, ExportProtection::recipient, "relay1", pair.public_key}));
    EXPECT_EQ(*read_export_header(frozen), (ExportHeader{1, ExportProtection::passphrase, "relay1", std::nullopt}));
}

TEST_F(SealedExport, WithAnotherKeyNamesBoth) {
    const RecoveryKeyPair other = make_recovery_key();
    const auto refused = open_export(file, other.secret_key);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(refused.error().message.contains(encode_recovery_public(pair.public_key))) << refused.error().message;
    EXPECT_TRUE(refused.error().message.contains(encode_recovery_public(other.public_key))) << refused.error().message;
}

TEST_F(SealedExport, IsMadeWithAnotherKeyEachTime) {
    const Octets again = seal_export("relay1", payload, pair.public_key).value();
    ASSERT_EQ(again.size(), file.size());
    EXPECT_FALSE(std::ranges::equal(OctetView(again).subspan(recipient_header_octets), OctetView(file).subspan(recipient_header_octets)));
}

TEST_F(SealedExport, ShowsNeitherItsPayloadNorItsExactLength) {
    const auto size_of = [&](std::size_t octets) { return seal_export("relay1", Secret(octets), pair.public_key).value().size(); };
    EXPECT_EQ(size_of(0), size_of(511));
    EXPECT_EQ(size_of(512), size_of(1023));
    EXPECT_EQ(size_of(512), size_of(511) + 512);
    const Octets clear = seal_export("relay1", text_secret("a payload that nobody may read"), pair.public_key).value();
    EXPECT_FALSE(as_text(clear).contains("payload"));
}

TEST_F(SealedExport, OfAnyLengthComesBackWhole) {
    for (const std::size_t size : {0, 1, 511, 512, 513, 65'023}) {
        const Secret plain = Secret::random(static_cast<std::size_t>(size));
        const Octets sealed = seal_export("a", plain, pair.public_key).value();
        EXPECT_LE(sealed.size(), export_limit_octets);
        EXPECT_EQ(open_export(sealed, pair.secret_key)->payload, plain) << size;
    }
}

TEST_F(SealedExport, OfMoreThanAFileHoldsIsRefused) {
    for (const std::size_t size : {65'024, 65'536, 1'000'000})
        EXPECT_EQ(seal_export("a", Secret(static_cast<std::size_t>(size)), pair.public_key).error().kind, ErrorKind::invalid_argument);
}

TEST_F(SealedExport, OfNoRelaysNameIsRefused) {
    for (const char* name : {"", "Relay", "../relay", "abcdefghijklmnopqrst"}) {
        EXPECT_EQ(seal_export(name, payload, pair.public_key).error().kind, ErrorKind::invalid_argument) << name;
        EXPECT_EQ(seal_export_with_passphrase(name, payload, text_secret(frozen_passphrase)).error().kind, ErrorKind::invalid_argument);
    }
}

TEST_F(SealedExport, ChangedAnywhereDoesNotOpen) {
    for (std::size_t i = 0; i < file.size(); ++i) {
        Octets changed = file;
        changed[i] ^= 0x01;
        const auto refused = open_export(changed, pair.secret_key);
        ASSERT_FALSE(refused) << i;
        const bool names_another_key = i >= at_recipient && i < at_recipient + 32;
        EXPECT_EQ(refused.error().kind, names_another_key ? ErrorKind::invalid_argument : ErrorKind::corrupt)
            << i << " " << refused.error().message;
    }
}

TEST_F(SealedExport, CutAnywhereOrWithMoreBehindItIsCorrupt) {
    for (std::size_t length = 0; length < file.size(); ++length)
        EXPECT_EQ(header_refusal(OctetView(file).first(length)), ErrorKind::corrupt);
    for (std::size_t length = 0; length < frozen.size(); ++length)
        EXPECT_EQ(header_refusal(OctetView(frozen).first(length)), ErrorKind::corrupt);
    Octets longer = file;
    longer.push_back(0);
    EXPECT_EQ(header_refusal(longer), ErrorKind::corrupt);
    longer.resize(export_limit_octets + 1);
    EXPECT_EQ(header_refusal(longer), ErrorKind::corrupt);
}

TEST_F(SealedExport, OfAnUnknownVersionOrProtectionIsCorruptAndSaysSo) {
    Octets newer = file;
    newer[at_version + 1] = 3;
    EXPECT_TRUE(read_export_header(newer).error().message.contains("version 3 is not known"));
    for (const std::uint8_t protection : {0, 3, 255}) {
        Octets other = file;
        other[at_protection] = protection;
        EXPECT_EQ(header_refusal(other), ErrorKind::corrupt);
        EXPECT_TRUE(read_export_header(other).error().message.contains("protection"));
    }
}

TEST_F(SealedExport, ThatNamesNoRelayIsCorrupt) {
    Octets path = file;
    path[at_name] = '/';
    EXPECT_EQ(header_refusal(path), ErrorKind::corrupt);
    Octets nameless = file;
    std::fill_n(nameless.begin() + at_name, 32, std::uint8_t{0});
    EXPECT_EQ(header_refusal(nameless), ErrorKind::corrupt);
    Octets something_behind = file;
    something_behind[at_name + 31] = 'x';
    EXPECT_EQ(header_refusal(something_behind), ErrorKind::corrupt);
}

TEST_F(SealedExport, ToAPublicKeyOfLowOrderIsCorrupt) {
    Octets changed = file;
    std::fill_n(changed.begin() + at_recipient, 32, std::uint8_t{0});
    EXPECT_EQ(header_refusal(changed), ErrorKind::corrupt);
}

TEST_F(SealedExport, UnderAPassphraseOpensWithItAndNoOther) {
    const Octets sealed = seal_export_with_passphrase("relay1", payload, text_secret("twelve octet")).value();
    EXPECT_EQ(open_export(sealed, text_secret("twelve octet"))->payload, payload);
    for (const char* wrong : {"twelve octes", "twelve octet\n", ""}) {
        const auto refused = open_export(sealed, text_secret(wrong));
        ASSERT_FALSE(refused) << wrong;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
        EXPECT_TRUE(refused.error().message.contains("the passphrase is wrong, or the file is damaged")) << refused.error().message;
    }
}

TEST_F(SealedExport, UnderAPassphraseTakesThreePassesOver64MebibytesAndAFreshSalt) {
    const Octets first = seal_export_with_passphrase("relay1", payload, text_secret(frozen_passphrase)).value();
    const Octets second = seal_export_with_passphrase("relay1", payload, text_secret(frozen_passphrase)).value();
    EXPECT_EQ(OctetReader(OctetView(first).subspan(at_passes)).u32().value(), 3u);
    EXPECT_EQ(OctetReader(OctetView(first).subspan(at_memory)).u32().value(), 67'108'864u);
    EXPECT_FALSE(std::ranges::equal(OctetView(first).subspan(at_salt, 16), OctetView(second).subspan(at_salt, 16)));
}

TEST_F(SealedExport, UnderAShortPassphraseIsRefusedAndSaysWhy) {
    for (const char* passphrase : {"", "x", "eleven octe"}) {
        const auto refused = seal_export_with_passphrase("relay1", payload, text_secret(passphrase));
        ASSERT_FALSE(refused) << passphrase;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
        EXPECT_TRUE(refused.error().message.contains("at least 12")) << refused.error().message;
    }
    EXPECT_EQ(seal_export_with_passphrase("relay1", payload, Secret()).error().kind, ErrorKind::invalid_argument);
}

TEST_F(SealedExport, UnderAPassphraseAndDamagedSaysThatItMayBeEither) {
    const Secret passphrase = text_secret(frozen_passphrase);
    for (const std::size_t i :
         {at_name, at_salt, at_memory + 3, passphrase_header_octets - 5, passphrase_header_octets, frozen.size() - 1}) {
        Octets changed = frozen;
        changed[i] ^= 0x01;
        const auto refused = open_export(changed, passphrase);
        ASSERT_FALSE(refused) << i;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument) << i;
        EXPECT_TRUE(refused.error().message.contains("or the file is damaged")) << refused.error().message;
    }
}

TEST_F(SealedExport, ThatAsksForMoreOfArgon2ThanAnyDoesIsCorruptBeforeItIsSpent) {
    for (const std::uint32_t passes : {0u, 17u, 0xffffffffu})
        EXPECT_EQ(header_refusal(with_u32(frozen, at_passes, passes)), ErrorKind::corrupt);
    for (const std::uint32_t memory : {0u, 8191u, (1u << 30) + 1, 0xffffffffu})
        EXPECT_EQ(header_refusal(with_u32(frozen, at_memory, memory)), ErrorKind::corrupt);
    for (const std::uint32_t passes : {1u, 16u}) EXPECT_TRUE(read_export_header(with_u32(frozen, at_passes, passes)));
    for (const std::uint32_t memory : {8192u, 1u << 30}) EXPECT_TRUE(read_export_header(with_u32(frozen, at_memory, memory)));
}

// The program ends with 0 when the passphrase's memory is not to be had and that is what it says.
[[noreturn]] void open_with_32_mebibytes(OctetView file) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t limit = pages * 4096 + (32 << 20);
    const rlimit memory{limit, limit};
    if (setrlimit(RLIMIT_AS, &memory) != 0) std::_Exit(2);
    const auto refused = open_export(file, text_secret(frozen_passphrase));
    std::_Exit(!refused && refused.error().kind == ErrorKind::io && refused.error().message.contains("65536 KiB") ? 0 : 1);
}

TEST_F(SealedExport, UnderAPassphraseWithoutTheMemoryForItIsIo) {
    EXPECT_EXIT(open_with_32_mebibytes(frozen), testing::ExitedWithCode(0), "");
}

TEST_F(SealedExport, WantsAKeyOrAPassphraseAndSaysWhich) {
    const auto with_passphrase = open_export(file, text_secret(frozen_passphrase));
    ASSERT_FALSE(with_passphrase);
    EXPECT_EQ(with_passphrase.error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(with_passphrase.error().message.contains(encode_recovery_public(pair.public_key))) << with_passphrase.error().message;
    const auto with_key = open_export(frozen, pair.secret_key);
    ASSERT_FALSE(with_key);
    EXPECT_EQ(with_key.error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(with_key.error().message.contains("under a passphrase")) << with_key.error().message;
}

TEST(FrozenExport, OfVersion1ToARecipientOpens) {
    const RecoverySecretKey key = parse_recovery_secret(text_secret(frozen_secret)).value();
    const auto opened = open_export(from_hex(frozen_to_recipient).value(), key);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->relay, "relay1");
    EXPECT_EQ(opened->payload, text_secret(frozen_payload));
}

TEST(FrozenExport, OfVersion1UnderAPassphraseOpens) {
    const auto opened = open_export(from_hex(frozen_under_passphrase).value(), text_secret(frozen_passphrase));
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->relay, "relay1");
    EXPECT_EQ(opened->payload, text_secret(frozen_payload));
}

TEST_F(SealedExport, OfAVaultIsKnownByItAndByNoOther) {
    const RecoveryKeyPair pair = make_recovery_key();
    const Secret vault = export_authentication(Secret::copy_of(Octets(32, 1))),
                 other = export_authentication(Secret::copy_of(Octets(32, 2)));
    const auto file = seal_export("relay1", text_secret(frozen_payload), pair.public_key, &vault);
    ASSERT_TRUE(file);
    EXPECT_EQ(read_export_header(*file)->version, 2);
    auto opened = open_export(*file, pair.secret_key);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->payload, text_secret(frozen_payload));
    EXPECT_TRUE(is_sent_by(*opened, vault));
    EXPECT_FALSE(is_sent_by(*opened, other));
    opened->relay = "relay2";
    EXPECT_FALSE(is_sent_by(*opened, vault)) << "the name is signed, too";

    const auto under = seal_export_with_passphrase("relay1", text_secret(frozen_payload), text_secret(frozen_passphrase), &vault);
    const auto back = open_export(*under, text_secret(frozen_passphrase));
    ASSERT_TRUE(back);
    EXPECT_TRUE(is_sent_by(*back, vault));
}

// Whoever has the recovery key's public half makes such a file.
TEST_F(SealedExport, OfVersionOneOrByAnotherIsNobodysVaults) {
    const RecoveryKeyPair pair = make_recovery_key();
    const Secret vault = export_authentication(Secret::copy_of(Octets(32, 1))), own = Secret::copy_of(Octets(32, 9));
    for (const Secret* sender : {static_cast<const Secret*>(nullptr), &own}) {
        const auto opened = open_export(*seal_export("relay1", text_secret(frozen_payload), pair.public_key, sender), pair.secret_key);
        ASSERT_TRUE(opened);
        EXPECT_FALSE(is_sent_by(*opened, vault));
    }
    // Short of a tag, by a version that says there is one.
    auto file = *seal_export("relay1", text_secret("x"), pair.public_key);
    file[at_version + 1] = 2;
    EXPECT_FALSE(open_export(file, pair.secret_key)) << "the version is authenticated";
}

}  // namespace
}  // namespace lethe
