// What the stub extends for the sections of a UKI, for phases and for command lines.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "built_pe.hpp"
#include "measure/command_line.hpp"
#include "measure/uki.hpp"
#include "vectors.hpp"

namespace lethe {
namespace {

constexpr std::array sha256{Bank::sha256};

struct Read {
    BuiltPe built;
    PeImage image = parse_pe(built).value();

    explicit Read(const std::vector<BuiltSection>& sections) : built(sections) {}
    std::vector<UkiSection> sections(UkiChoice choice = {}) const { return uki_sections(image, choice).value(); }
    std::string text(std::string_view name, UkiChoice choice = {}) const {
        const auto found = sections(choice);
        const UkiSection* section = find_section(found, name);
        return section ? std::string(as_text(section->octets)) : "absent";
    }
};

std::vector<BuiltSection> with_profiles() {
    return {{".linux", octets_of("kernel"), {}},  {".cmdline", octets_of("base"), {}}, {".profile", octets_of("ID=a"), {}},
            {".profile", octets_of("ID=b"), {}},  {".cmdline", octets_of("b"), {}},    {".profile", octets_of("ID=c"), {}},
            {".cmdline", octets_of("unread"), 0}, {".linux", octets_of("c"), {}}};
}

std::vector<std::string> names(const std::vector<MeasuredEvent>& events) {
    std::vector<std::string> found;
    for (const MeasuredEvent& event : events) found.push_back(event.what);
    return found;
}

BankDigest pcr11_after(const std::vector<MeasuredEvent>& events, Bank bank) {
    BankDigest value{.bank = bank};
    for (const MeasuredEvent& event : events) value = extended(value, event.digests.at(bank));
    return value;
}

TEST(Uki, SectionsAreMeasuredInTheStubsOrderByNameAndContents) {
    const Read uki({{".text", octets_of("stub"), {}},
                    {".pcrpkey", octets_of("key"), {}},
                    {".pcrsig", octets_of("signature"), {}},
                    {".linux", octets_of("kernel"), {}}});
    const auto events = measured_sections(uki.sections(), sha256);
    EXPECT_EQ(names(events), (std::vector<std::string>{".linux: name", ".linux: contents", ".pcrpkey: name", ".pcrpkey: contents"}));
    EXPECT_EQ(events[0], measured(11, ".linux: name", octets_of(std::string(".linux\0", 7)), sha256));
    EXPECT_EQ(events[1], measured(11, ".linux: contents", octets_of("kernel"), sha256));
    EXPECT_TRUE(find_section(uki.sections(), ".pcrsig"));
    EXPECT_FALSE(find_section(uki.sections(), ".text"));
}

TEST(Uki, WhatTheFileDoesNotHaveIsZeroInMemory) {
    const Read uki({{".linux", octets_of("kernel"), 600}, {".osrel", octets_of("ID=x"), 0}, {".uname", octets_of("6.12.1"), 4}});
    const auto sections = uki.sections();
    ASSERT_EQ(sections.size(), 2u);
    EXPECT_EQ(sections[0].octets.size(), 512u);
    EXPECT_EQ(sections[0].zeros, 88u);
    EXPECT_EQ(as_text(sections[1].octets), "6.12");
    Octets in_memory(sections[0].octets.begin(), sections[0].octets.end());
    in_memory.resize(600);
    EXPECT_EQ(measured_sections(sections, sha256)[1], measured(11, ".linux: contents", in_memory, sha256));
}

TEST(Uki, TheFirstSectionOfANameCounts) {
    const Read uki({{".linux", octets_of("first"), {}}, {".linux", octets_of("second"), {}}});
    EXPECT_EQ(uki.text(".linux"), "first");
}

TEST(Uki, AProfileReplacesSectionsOfTheBase) {
    const Read uki(with_profiles());
    EXPECT_EQ(uki.text(".cmdline"), "base");
    EXPECT_EQ(uki.text(".profile"), "ID=a");
    EXPECT_EQ(uki.text(".cmdline", {1, {}}), "b");
    EXPECT_EQ(uki.text(".linux", {1, {}}), "kernel");
    EXPECT_EQ(uki.text(".cmdline", {2, {}}), "absent");
    EXPECT_EQ(uki.text(".linux", {2, {}}), "c");
    EXPECT_EQ(uki_sections(uki.image, {3, {}}).error().kind, ErrorKind::not_found);
}

TEST(Uki, ProfileZeroNeedsNoSection) {
    const Read uki({{".linux", octets_of("kernel"), {}}});
    EXPECT_EQ(uki.sections().size(), 1u);
    EXPECT_EQ(uki_sections(uki.image, {1, {}}).error().kind, ErrorKind::not_found);
}

TEST(Uki, ADeviceTreeIsMeasuredWhenTheMachineChoosesIt) {
    const Read uki({{".linux", octets_of("kernel"), {}}, {".dtbauto", octets_of("first"), {}}, {".dtbauto", octets_of("second"), {}}});
    EXPECT_EQ(uki.text(".dtbauto"), "absent");
    EXPECT_EQ(uki.text(".dtbauto", {0, 1}), "second");
    EXPECT_EQ(uki_sections(uki.image, {0, 2}).error().kind, ErrorKind::not_found);
}

TEST(Uki, AnImageWithoutAKernelIsAnAddonAndNoUki) {
    const Read addon({{".cmdline", octets_of("debug"), {}}});
    EXPECT_EQ(uki_sections(addon.image).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(as_text(addon_sections(addon.image).value().at(0).octets), "debug");
    EXPECT_EQ(addon_sections(Read({{".linux", octets_of("kernel"), {}}}).image).error().kind, ErrorKind::corrupt);
}

TEST(Uki, SectionsThatOverlapInMemoryAreRefused) {
    BuiltPe built({{".linux", Octets(5000, 1), {}}, {".text", octets_of("stub"), {}}});
    const auto at = [&](std::uint32_t address) {
        built.put(built.section(1) + BuiltPe::address, address, 4);
        return uki_sections(parse_pe(built).value());
    };
    EXPECT_TRUE(at(4096 + 5000));
    EXPECT_EQ(at(4096 + 4999).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(at(4095).error().kind, ErrorKind::corrupt);
}

TEST(Uki, GigabytesOfZerosAreRefused) {
    const Read uki({{".linux", octets_of("kernel"), 0x20000000}});
    EXPECT_EQ(uki_sections(uki.image).error().kind, ErrorKind::corrupt);
}

TEST(Uki, APhaseIsMeasuredByItsWordAlone) {
    EXPECT_EQ(measured_phase("enter-initrd", sha256), measured(11, "enter-initrd", as_octets("enter-initrd"), sha256));
    EXPECT_EQ(measured_phase("enter-initrd", all_banks).digests.size(), all_banks.size());
}

TEST(StubText, IsConvertedAsTheStubDoes) {
    EXPECT_EQ(stub_text("quiet caf\xc3\xa9 \xe2\x82\xac"), u"quiet caf\u00e9 \u20ac");
    EXPECT_EQ(stub_text("a\xf0\x9f\x98\x80"
                        "b"),
              u"ab")
        << "no character beyond 16 bits";
    EXPECT_EQ(stub_text("a\x80\xff\xe2"
                        "bcd"),
              u"ad")
        << "what is no UTF-8 is passed over, with the octets that it would take";
    EXPECT_EQ(stub_text("a\xed\xa0\x80"
                        "b"),
              u"ab")
        << "no surrogate";
    EXPECT_EQ(stub_text("a\xe2\x82"), u"a") << "cut short";
    EXPECT_EQ(stub_text(std::string_view("a\0b", 3)), u"a");
    EXPECT_EQ(stub_text("a\xc0\x80"
                        "b"),
              u"a")
        << "an overlong NUL ends the text";
    EXPECT_EQ(stub_text(""), u"");
}

TEST(CommandLine, IsCleanedAndHashedWithItsNul) {
    EXPECT_EQ(cleaned_command_line(u" \t quiet\n\x7f splash \n"), u"quiet   splash");
    EXPECT_EQ(cleaned_command_line(u" \n"), u"");
    EXPECT_EQ(load_options(u"a\u20ac"), (Octets{'a', 0, 0xac, 0x20, 0, 0}));
    const auto event = measured_command_line(u"a", "command line", sha256);
    EXPECT_EQ(event.value(), measured(12, "command line", Octets{'a', 0, 0, 0}, sha256));
    EXPECT_FALSE(measured_command_line(u"", "command line", sha256));
}

TEST(CommandLine, OfAddonsIsOne) {
    const std::array<std::string_view, 4> lines{" ", "debug\n", "", "x=1 "};
    EXPECT_EQ(joined_addons(lines), u"debug  x=1");
    EXPECT_EQ(joined_addons({}), u"");
}

TEST(Profile, IsMeasuredByItsNumber) {
    EXPECT_EQ(measured_profile(12, sha256).value().digests.at(Bank::sha256), hash_of(Bank::sha256, Octets{'1', 0, '2', 0, 0, 0}));
    EXPECT_FALSE(measured_profile(0, sha256));
}

TEST(UkiVectors, Pcr11IsWhatUkifyAndSystemdMeasureCompute) {
    const auto folder = vectors() / "uki";
    SKIP_WITHOUT(folder);
    const auto expected = nlohmann::json::parse(as_text(read_vector(folder / "expected.json")));
    const auto pcr11 = expected.at("uki-basic.efi").at("pcr11");
    const Octets octets = read_vector(folder / "uki-basic.efi");
    const PeImage image = parse_pe(octets).value();
    auto events = measured_sections(uki_sections(image).value(), all_banks);
    std::string path;
    std::size_t compared = 0;
    for (std::size_t phase = 0; phase < 5; ++phase) {
        if (phase > 0) {
            events.push_back(measured_phase(boot_phases[phase - 1], all_banks));
            path += (path.empty() ? "" : ":") + std::string(boot_phases[phase - 1]);
        }
        for (const Bank bank : all_banks) {
            EXPECT_EQ(to_hex(pcr11_after(events, bank).view()), pcr11.at(std::string(name_of(bank))).at(path).get<std::string>())
                << name_of(bank) << path;
            ++compared;
        }
    }
    EXPECT_EQ(compared, 20u);
}

}  // namespace
}  // namespace lethe
