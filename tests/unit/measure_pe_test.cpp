// PE images that the tests build, hostile ones among them, and images that other tools made and hashed.
#include <gtest/gtest.h>

#include "built_pe.hpp"
#include "measure/pe.hpp"
#include "vectors.hpp"

namespace lethe {
namespace {

constexpr std::array sha256{Bank::sha256};

BuiltPe two_sections(bool plus = true) { return BuiltPe({{".text", octets_of("some code"), {}}, {".data", Octets(700, 7), 5000}}, plus); }

Octets without(Octets octets, std::size_t offset, std::size_t count) {
    const auto from = octets.begin() + static_cast<std::ptrdiff_t>(offset);
    octets.erase(from, from + static_cast<std::ptrdiff_t>(count));
    return octets;
}

// The digest as its definition has it, when sections lie one after the other.
Octets definition(const BuiltPe& image) { return without(without(image.octets(), image.certificate_entry(), 8), image.checksum(), 4); }

std::string digest(OctetView image, ImageEnd end = ImageEnd::as_it_is) {
    const auto parsed = parse_pe(image);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? to_hex(authenticode(*parsed, sha256, end).at(Bank::sha256).view()) : "";
}

std::string refusal(OctetView image) {
    const auto parsed = parse_pe(image);
    if (parsed) return "accepted";
    EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt);
    return parsed.error().message;
}

TEST(Pe, SectionsAreReadAsTheyAreInTheFile) {
    for (const bool plus : {true, false}) {
        const BuiltPe built = two_sections(plus);
        const PeImage image = parse_pe(built).value();
        EXPECT_EQ(image.plus, plus);
        ASSERT_EQ(image.sections.size(), 2u);
        EXPECT_EQ(image.sections[0].name, ".text");
        EXPECT_EQ(as_text(image.sections[0].octets.first(9)), "some code");
        EXPECT_EQ(image.sections[1].address, 8192u);
        EXPECT_EQ(image.sections[1].virtual_size, 5000u);
        EXPECT_EQ(image.sections[1].raw_offset, 1536u);
        EXPECT_EQ(image.sections[1].octets.size(), 1024u);
        EXPECT_TRUE(image.certificates.empty());
    }
}

TEST(Pe, ANameMayTakeAllEightOctets) {
    const BuiltPe built({{".pcrpkeyx", octets_of("key"), {}}});
    EXPECT_EQ(parse_pe(built).value().sections[0].name, ".pcrpkey");
}

TEST(Authenticode, IsTheHashOfAllButChecksumAndCertificates) {
    for (const bool plus : {true, false}) {
        const BuiltPe image = two_sections(plus);
        EXPECT_EQ(digest(image), to_hex(hash_of(Bank::sha256, definition(image)).view()));
    }
}

TEST(Authenticode, StaysWhenAnImageIsSignedOrItsChecksumChanges) {
    const std::string unsigned_digest = digest(two_sections());
    EXPECT_EQ(digest(two_sections().sign(Octets(64, 9))), unsigned_digest);
    EXPECT_EQ(digest(BuiltPe(two_sections()).put(BuiltPe::optional + 64, 0, 4)), unsigned_digest);
    EXPECT_NE(digest(BuiltPe(two_sections()).put(BuiltPe::headers_size, 0, 1)), unsigned_digest);
    EXPECT_NE(digest(BuiltPe(two_sections()).append(Octets(8, 1))), unsigned_digest);
}

TEST(Authenticode, ReadsSectionsInTheOrderOfTheFile) {
    const BuiltPe image = two_sections();
    BuiltPe swapped = image;
    for (std::size_t octet = 0; octet < 40; ++octet) {
        swapped.put(swapped.section(0) + octet, image.octets()[image.section(1) + octet], 1);
        swapped.put(swapped.section(1) + octet, image.octets()[image.section(0) + octet], 1);
    }
    EXPECT_EQ(parse_pe(swapped).value().sections[0].name, ".data");
    EXPECT_EQ(digest(swapped), to_hex(hash_of(Bank::sha256, definition(swapped)).view()));
}

TEST(Authenticode, TakesTheRestFromTheSumOfWhatIsHashed) {
    // A gap of 512 octets before the last section: as EDK2, the end of that section is hashed once more.
    BuiltPe image({{".text", Octets(512, 1), {}}, {".gap", Octets(512, 2), {}}, {".data", Octets(512, 3), {}}});
    image.put(image.section(1) + BuiltPe::raw_size, 0, 4);
    Octets hashed = without(definition(image), 1024 - 12 + 512, 512);
    hashed.insert(hashed.end(), 512, 3);
    EXPECT_EQ(digest(image), to_hex(hash_of(Bank::sha256, hashed).view()));
}

TEST(Authenticode, PaddingMattersOnlyToAnOddLength) {
    const BuiltPe whole = two_sections(), odd = two_sections().append(Octets(3, 1));
    EXPECT_EQ(digest(whole, ImageEnd::padded_to_8), digest(whole));
    EXPECT_NE(digest(odd, ImageEnd::padded_to_8), digest(odd));
    EXPECT_EQ(digest(odd, ImageEnd::padded_to_8), digest(two_sections().append(Octets{1, 1, 1, 0, 0, 0, 0, 0})));
}

TEST(Authenticode, ServesSeveralBanksAtOnce) {
    const BuiltPe built = two_sections();
    const PeImage image = parse_pe(built).value();
    const auto digests = authenticode(image, all_banks);
    ASSERT_EQ(digests.size(), all_banks.size());
    for (const Bank bank : all_banks) EXPECT_EQ(digests.at(bank), hash_of(bank, definition(built))) << name_of(bank);
}

TEST(Pe, AnImageIsRefusedAtEveryLengthThatCutsItShort) {
    const BuiltPe image = two_sections();
    for (std::size_t length = 0; length < image.octets().size(); length += length < 1024 ? 1 : 97)
        EXPECT_NE(refusal(OctetView(image).first(length)), "accepted") << length;
}

TEST(Pe, HeadersThatLieAreRefused) {
    const BuiltPe image = two_sections();
    const auto with = [&](std::size_t offset, std::size_t value, unsigned width) {
        return refusal(BuiltPe(image).put(offset, value, width));
    };
    EXPECT_TRUE(with(0, 'X', 1).contains("MZ"));
    EXPECT_TRUE(with(60, 0xffffffff, 4).contains("outside the file"));
    EXPECT_TRUE(with(60, 8, 4).contains("outside the file"));
    EXPECT_TRUE(with(BuiltPe::coff, 'X', 1).contains("no PE signature"));
    EXPECT_TRUE(with(BuiltPe::optional, 0x107, 2).contains("unknown kind"));
    EXPECT_TRUE(with(BuiltPe::coff + 20, 0xffff, 2).contains("optional header"));
    EXPECT_TRUE(with(BuiltPe::coff + 20, 20, 2).contains("optional header"));
    EXPECT_TRUE(with(image.directories() - 4, 0xffffffff, 4).contains("directories"));
    EXPECT_TRUE(with(BuiltPe::coff + 6, 0, 2).contains("no sections"));
    EXPECT_TRUE(with(BuiltPe::coff + 6, 0xffff, 2).contains("section table"));
    EXPECT_TRUE(with(BuiltPe::optional + 60, 300, 4).contains("section table"));
    EXPECT_TRUE(with(BuiltPe::optional + 60, 0xffffffff, 4).contains("cut short"));
}

TEST(Pe, ASectionThatLiesOutsideTheFileIsRefused) {
    const BuiltPe image = two_sections();
    const auto with = [&](std::size_t field, std::size_t value) { return refusal(BuiltPe(image).put(image.section(1) + field, value, 4)); };
    EXPECT_TRUE(with(BuiltPe::raw_size, 0xffffffff).contains("section 1"));
    EXPECT_TRUE(with(BuiltPe::raw_offset, 0xffffffff).contains("section 1"));
    EXPECT_TRUE(with(BuiltPe::raw_offset, 512).contains("in its headers"));
    EXPECT_TRUE(refusal(BuiltPe(image).sign(Octets(8)).put(image.section(1) + BuiltPe::raw_size, 1032, 4)).contains("certificates"));
    EXPECT_EQ(
        refusal(BuiltPe(image).put(image.section(1) + BuiltPe::raw_offset, 0xffffffff, 4).put(image.section(1) + BuiltPe::raw_size, 0, 4)),
        "accepted");
}

TEST(Pe, SectionsThatOverlapInTheFileAreRefused) {
    const BuiltPe image = two_sections();
    EXPECT_TRUE(refusal(BuiltPe(image).put(image.section(1) + BuiltPe::raw_offset, 1024 + 511, 4)).contains("overlap"));
    EXPECT_TRUE(refusal(BuiltPe(image).put(image.section(0) + BuiltPe::raw_offset, 1536, 4)).contains("overlap"));
}

TEST(Pe, ACertificateTableMustBeTheLastThing) {
    BuiltPe image = two_sections().sign(Octets(16, 9));
    EXPECT_EQ(parse_pe(image).value().certificates.size(), 16u);
    EXPECT_TRUE(refusal(BuiltPe(image).append(Octets(8))).contains("certificate table"));
    EXPECT_TRUE(refusal(BuiltPe(image).put(image.certificate_entry(), 8, 4)).contains("certificate table"));
    EXPECT_TRUE(refusal(BuiltPe(image).put(image.certificate_entry() + 4, 0xfffffff0, 4)).contains("certificate table"));
}

TEST(PeVectors, DigestsAreThoseOfPesign) {
    const auto folder = vectors() / "uki";
    SKIP_WITHOUT(folder);
    const Octets basic = read_vector(folder / "uki-basic.efi");
    EXPECT_EQ(digest(basic), "f84f28575fd90caaa73fed8e3bf1fc01bc6c8c610e54d961a74678e4896299a0");
    EXPECT_EQ(digest(read_vector(folder / "uki-basic-signed.efi")), digest(basic));
    EXPECT_EQ(digest(read_vector(folder / "fakelinux.efi")), "cf9f98edc997e3717bb93a395c6a0aed30b1274ff46f19143f3b72e7aa90edca");
    const auto digests = authenticode(parse_pe(basic).value(), std::array{Bank::sha512, Bank::sha1});
    EXPECT_EQ(to_hex(digests.at(Bank::sha1).view()), "20d7e6812babad97b0180e3b73052eaebc52c39d");
}

TEST(PeVectors, SigningPadsAnOddImage) {
    const auto folder = vectors() / "Foxboron+go-uefi";
    SKIP_WITHOUT(folder);
    for (const std::string name : {"tests/data/binary/HelloWorld.efi", "authenticode/testdata/test.pecoff"}) {
        const Octets plain = read_vector(folder / name), signed_one = read_vector(folder / (name + ".signed"));
        EXPECT_EQ(digest(plain, ImageEnd::padded_to_8), digest(signed_one)) << name;
        EXPECT_NE(digest(plain), digest(signed_one)) << name;
    }
}

}  // namespace
}  // namespace lethe
