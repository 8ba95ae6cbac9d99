// What a boot of given files extends, put together from what each part of it does.
#include <gmock/gmock.h>

#include "built_pe.hpp"
#include "measure/command_line.hpp"
#include "measure/prediction.hpp"
#include "measure/replay.hpp"
#include "measure/uki.hpp"

namespace lethe {
namespace {

constexpr std::array sha256{Bank::sha256};
using testing::ElementsAre;

Octets built(const std::vector<BuiltSection>& sections) { return BuiltPe(sections).octets(); }
Octets kernel() { return built({{".text", octets_of("kernel"), {}}}); }

struct Boot {
    std::vector<BuiltSection> sections{{".osrel", octets_of("ID=lethe"), {}},
                                       {".cmdline", octets_of("quiet\n"), {}},
                                       {".linux", kernel(), {}},
                                       {".uname", octets_of("6.12"), {}},
                                       {".initrd", octets_of("initrd"), {}}};
    std::optional<Octets> loader = built({{".text", octets_of("loader"), {}}});
    std::vector<CpioFile> beside = {}, global_credentials = {}, global_addons = {};
    BootConditions conditions = {};

    Result<std::vector<MeasuredEvent>> events(std::span<const Bank> banks = sha256) const {
        const Octets uki = built(sections);
        BootFiles files{.uki = TRY(parse_pe(uki))};
        if (loader) files.loader = TRY(parse_pe(*loader));
        files.beside = beside, files.global_credentials = global_credentials, files.global_addons = global_addons;
        auto [start, release] = TRY(predict_boot(files, conditions, banks));
        std::ranges::move(release, std::back_inserter(start));
        return start;
    }
    std::vector<std::string> in_pcr(unsigned pcr) const {
        std::vector<std::string> found;
        const auto all = events().value();
        for (const MeasuredEvent& event : all)
            if (event.pcr == pcr) found.push_back(event.what);
        return found;
    }
    MeasuredEvent event(std::string_view what) const {
        const auto all = events().value();
        return *std::ranges::find(all, what, &MeasuredEvent::what);
    }
};

CpioFile file(std::string name, OctetView octets) { return {std::move(name), octets}; }

TEST(Prediction, AnImageIsMeasuredAfterTheLoaderThatStartsIt) {
    EXPECT_THAT(Boot{}.in_pcr(4), ElementsAre("Calling EFI Application from Boot Option", "separator", "boot loader", "UKI", "kernel"));
    EXPECT_THAT(Boot{.loader = {}}.in_pcr(4), ElementsAre("Calling EFI Application from Boot Option", "separator", "UKI", "kernel"));
}

TEST(Prediction, TheKernelIsHiddenFromTheFirmwareBySecureBoot) {
    EXPECT_THAT(Boot{.conditions = {.secure_boot = true}}.in_pcr(4),
                ElementsAre("Calling EFI Application from Boot Option", "separator", "boot loader", "UKI"));
    Boot broken;
    broken.sections[2].contents = octets_of("no image");
    EXPECT_EQ(broken.events().error().kind, ErrorKind::corrupt);
    broken.conditions.secure_boot = true;
    EXPECT_TRUE(broken.events());
}

TEST(Prediction, APlainImageLeavesPcrs12And13Alone) {
    EXPECT_THAT(Boot{}.in_pcr(12), ElementsAre());
    EXPECT_THAT(Boot{}.in_pcr(13), ElementsAre());
}

TEST(Prediction, FilesBesideTheImageAreArchives) {
    const Octets one = octets_of("1"), two = octets_of("2");
    const Boot boot{.beside = {file("b.raw", one), file("c.confext.raw", two), file("a.cred", one), file("readme.txt", one)},
                    .global_credentials = {file("g.cred", two)}};
    EXPECT_THAT(boot.in_pcr(12), ElementsAre("Credentials initrd", "Global credentials initrd", "Configuration extension initrd"));
    EXPECT_THAT(boot.in_pcr(13), ElementsAre("System extension initrd"));
    const auto archive = cpio_archive(cpio_credentials, std::array{file("a.cred", one)}).value();
    EXPECT_EQ(boot.event("Credentials initrd"), measured(12, "Credentials initrd", archive, sha256));
}

TEST(Prediction, TheKernelGetsTheCommandLineAndAllInitrdsInOne) {
    const auto own = cpio_archive(cpio_own, std::array{file("os-release", as_octets("ID=lethe"))}).value();
    const auto credentials = cpio_archive(cpio_credentials, std::array{file("a.cred", as_octets("1"))}).value();
    Octets combined = octets_of("initrd");
    combined.resize(8);
    combined.insert(combined.end(), credentials.begin(), credentials.end());
    combined.insert(combined.end(), own.begin(), own.end());
    const Boot boot{.beside = {file("a.cred", as_octets("1"))}};
    EXPECT_THAT(boot.in_pcr(9), ElementsAre("command line", "initrd"));
    EXPECT_EQ(boot.event("command line"), measured(9, "command line", load_options(u"quiet"), sha256));
    EXPECT_EQ(boot.event("initrd"), measured(9, "initrd", combined, sha256));
}

TEST(Prediction, MicrocodeComesBeforeTheInitrd) {
    Boot boot;
    boot.sections.push_back({".ucode", octets_of("microcode"), {}});
    const auto own = cpio_archive(cpio_own, std::array{file("os-release", as_octets("ID=lethe"))}).value();
    Octets combined = octets_of("microcode");
    combined.resize(12);
    std::ranges::copy(octets_of("initrd"), std::back_inserter(combined));
    combined.resize(20);
    combined.insert(combined.end(), own.begin(), own.end());
    EXPECT_EQ(boot.event("initrd"), measured(9, "initrd", combined, sha256));
}

TEST(Prediction, AnInitrdAloneIsTakenAsItIs) {
    Boot boot;
    std::erase_if(boot.sections, [](const BuiltSection& section) { return section.name == ".osrel"; });
    EXPECT_EQ(boot.event("initrd"), measured(9, "initrd", octets_of("initrd"), sha256));
    std::erase_if(boot.sections, [](const BuiltSection& section) { return section.name == ".initrd"; });
    EXPECT_THAT(boot.in_pcr(9), ElementsAre("command line"));
}

TEST(Prediction, AddonsAreImagesAndAddToTheCommandLine) {
    const Octets global = built({{".cmdline", octets_of("one"), {}}}), own = built({{".cmdline", octets_of("two "), {}}});
    const Boot boot{.beside = {file("a.addon.efi", own)}, .global_addons = {file("z.addon.efi", global)}};
    EXPECT_THAT(boot.in_pcr(4), ElementsAre("Calling EFI Application from Boot Option", "separator", "boot loader", "UKI", "z.addon.efi",
                                            "a.addon.efi", "kernel"));
    EXPECT_EQ(boot.event("command line of addons"), measured(12, "command line of addons", load_options(u"one two"), sha256));
    EXPECT_EQ(boot.event("command line"), measured(9, "command line", load_options(u"quiet one two"), sha256));
}

TEST(Prediction, AnAddonForAnotherKernelIsLoadedAndLeftAside) {
    const Octets other = built({{".cmdline", octets_of("one"), {}}, {".uname", octets_of("6.13"), {}}});
    const Octets same = built({{".cmdline", octets_of("two"), {}}, {".uname", octets_of("6.12"), {}}});
    const Boot boot{.beside = {file("a.addon.efi", other), file("b.addon.efi", same)}};
    EXPECT_THAT(boot.in_pcr(4), testing::IsSupersetOf({"a.addon.efi", "b.addon.efi"}));
    EXPECT_EQ(boot.event("command line of addons"), measured(12, "command line of addons", load_options(u"two"), sha256));
}

TEST(Prediction, AnAddonForAKernelIsOneForThoseWhoseNamesBeginSo) {
    for (const auto& [uname, fits] : {std::pair<std::string, bool>{"6.1", true},
                                      {std::string("6.12\0", 5), true},
                                      {std::string("6.1\0", 4), false},
                                      {"6.12.", false}}) {
        const Octets addon = built({{".cmdline", octets_of("one"), {}}, {".uname", octets_of(uname), {}}});
        EXPECT_EQ(Boot{.beside = {file("a.addon.efi", addon)}}.in_pcr(12).size(), fits ? 1U : 0U) << uname;
    }
}

TEST(Prediction, AddonsBringInitrdsAndMicrocode) {
    const Octets addon = built({{".initrd", octets_of("more"), {}}, {".ucode", octets_of("code"), {}}});
    const Boot boot{.beside = {file("a.addon.efi", addon)}};
    EXPECT_THAT(boot.in_pcr(12), ElementsAre(".ucode of a.addon.efi", ".initrd of a.addon.efi"));
    const auto own = cpio_archive(cpio_own, std::array{file("os-release", as_octets("ID=lethe"))}).value();
    Octets combined = octets_of("codeinitrd");
    combined.resize(12);
    combined.insert(combined.end(), own.begin(), own.end());
    std::ranges::copy(octets_of("more"), std::back_inserter(combined));
    EXPECT_EQ(boot.event("initrd"), measured(9, "initrd", combined, sha256));
}

TEST(Prediction, AnAddonThatIsNoneIsNamed) {
    const Octets uki = built({{".linux", kernel(), {}}}), tree = built({{".dtb", octets_of("tree"), {}}}), junk = octets_of("junk");
    for (const Octets& addon : {uki, tree, junk}) {
        const auto refused = Boot{.beside = {file("a.addon.efi", addon)}}.events();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::corrupt);
        EXPECT_TRUE(refused.error().message.starts_with("a.addon.efi: ")) << refused.error().message;
    }
}

TEST(Prediction, AProfileIsMeasuredFirst) {
    Boot boot{.conditions = {.profile = 1}};
    EXPECT_EQ(boot.events().error().kind, ErrorKind::not_found);
    boot.sections.insert(boot.sections.end(), {{".profile", octets_of("ID=a"), {}}, {".profile", octets_of("ID=b"), {}}});
    EXPECT_THAT(boot.in_pcr(12), ElementsAre("profile 1"));
}

TEST(Prediction, EachBankHasItsDigests) {
    const auto all = Boot{}.events(all_banks).value(), one = Boot{}.events().value();
    ASSERT_EQ(all.size(), one.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i].digests.size(), all_banks.size());
        EXPECT_EQ(all[i].digests.at(Bank::sha256), one[i].digests.at(Bank::sha256));
    }
}

TEST(Phases, AreThoseUpToOne) {
    EXPECT_TRUE(predict_phases("", sha256)->empty());
    const auto two = predict_phases("leave-initrd", sha256).value();
    ASSERT_EQ(two.size(), 2U);
    EXPECT_EQ(two[1], measured_phase("leave-initrd", sha256));
    EXPECT_EQ(predict_phases("lunch", sha256).error().kind, ErrorKind::invalid_argument);
}

}  // namespace
}  // namespace lethe
