// Releases on the ESP: what is listed, written, completed and removed, and what is refused.
#include <algorithm>
#include <ranges>

#include "releases_machine.hpp"

namespace lethe {
namespace {

struct ReleasesTest : testing::Test {
    Medium medium;
    std::function<void(const std::string&)> meddle = [](const std::string&) {};
    RecordedReleases releases{medium, [this](const std::string& what) { meddle(what); }};
    Octets image = image_of(2);
    ReleaseName staged{"2", BootTries{3}};
    BesideFiles beside{{"a.cred", some_octets("one")}, {"tor.raw", some_octets("another")}};

    std::vector<std::string> listed() {
        std::vector<std::string> names;
        const auto found = releases->list();
        EXPECT_TRUE(found) << found.error().message;
        if (found)
            for (const auto& release : *found) names.push_back(release.name.file() + (release.complete ? "" : ", torn"));
        return names;
    }
    void put_file(const std::string& file, OctetView octets) { medium.write(RecordedEsp::folder + file, octets); }
    Octets file(const std::string& name) { return *medium.read(RecordedEsp::folder + name); }

    void expect_refused(const Result<void>& result, ErrorKind kind, const std::string& why) {
        ASSERT_FALSE(result) << why;
        EXPECT_EQ(result.error().kind, kind) << result.error().message;
        EXPECT_TRUE(result.error().message.contains(why)) << result.error().message;
    }
};

using Names = std::vector<std::string>;

TEST_F(ReleasesTest, AreListedFromTheNewestAndOthersFilesAreLeftOut) {
    EXPECT_EQ(listed(), Names{});
    for (const char* const version : {"1.9", "1.10", "2~rc1", "2"}) releases.put(ReleaseName{version}.file(), image);
    put_file("linux_3.efi", image);
    put_file("lethe_x.efi", image);
    put_file("notes.txt.extra.d", {});
    EXPECT_EQ(listed(), (Names{"lethe_2.efi", "lethe_2~rc1.efi", "lethe_1.10.efi", "lethe_1.9.efi"}));
}

TEST_F(ReleasesTest, OneWithoutItsFirstSectorIsNotComplete) {
    ASSERT_TRUE(releases->write(staged, image, beside));
    EXPECT_EQ(listed(), Names{"lethe_2+3.efi, torn"});
    EXPECT_EQ(releases->find("2").value(), (StoredRelease{staged, false}));
    ASSERT_TRUE(releases->complete(staged, image));
    EXPECT_EQ(listed(), Names{"lethe_2+3.efi"});
    EXPECT_EQ(releases->find("2").value(), (StoredRelease{staged, true}));
    put_file("lethe_3.efi", {});
    EXPECT_EQ(listed(), (Names{"lethe_3.efi, torn", "lethe_2+3.efi"}));
}

TEST_F(ReleasesTest, AFolderThatIsLeftOfARemovalIsListedAndRemoved) {
    ASSERT_TRUE(releases.esp().make_beside("2"));
    EXPECT_EQ(listed(), Names{"lethe_2.efi, torn"});
    ASSERT_TRUE(releases->remove("2"));
    EXPECT_EQ(listed(), Names{});
    EXPECT_TRUE(medium.names().empty());
}

TEST_F(ReleasesTest, OfTwoFilesOfAVersionTheCompleteOneIsFound) {
    put_file("lethe_2.efi", Octets(1600));
    put_file("lethe_2+1-2.efi", image);
    EXPECT_EQ(releases->find("2").value()->name.file(), "lethe_2+1-2.efi");
    EXPECT_EQ(listed(), (Names{"lethe_2+1-2.efi", "lethe_2.efi, torn"}));
    EXPECT_FALSE(releases->find("1").value());
}

TEST_F(ReleasesTest, AreWrittenWithWhatLiesBesideThem) {
    releases.put("lethe_2+3.efi", image, beside);
    EXPECT_EQ(file("lethe_2+3.efi"), image);
    EXPECT_EQ(releases->beside("2").value(), beside);
    EXPECT_EQ(releases->beside("1").value(), BesideFiles{});
    std::mt19937 random;
    EXPECT_EQ(medium.after_cut(1000, random).size(), 1U) << "something was not synced";
}

TEST_F(ReleasesTest, WhatTheStubDoesNotTakeDoesNotLieBesideARelease) {
    releases.put("lethe_2.efi", image, beside);
    put_file("lethe_2.efi.extra.d/notes.txt", image);
    put_file("lethe_2.efi.extra.d/.hidden.cred", image);
    EXPECT_EQ(releases->beside("2").value(), beside);
    ASSERT_TRUE(releases->remove("2"));
    EXPECT_TRUE(medium.names().empty());
}

TEST_F(ReleasesTest, AWriteRemovesWhatThereIsOfTheVersion) {
    releases.put("lethe_1.efi", image_of(1), beside);
    const auto other = files_of(medium);
    releases.put("lethe_2+1-2.efi", image_of(7, 4000), {{"old.cred", some_octets("old")}});
    releases.put("lethe_2+3.efi", image, beside);
    EXPECT_EQ(listed(), (Names{"lethe_2+3.efi", "lethe_1.efi"}));
    EXPECT_EQ(file("lethe_2+3.efi"), image);
    EXPECT_EQ(releases->beside("2").value(), beside);
    releases.put("lethe_2+3.efi", image_of(8));
    EXPECT_EQ(releases->beside("2").value(), BesideFiles{});
    ASSERT_TRUE(releases->remove("2"));
    EXPECT_EQ(files_of(medium), other);
}

TEST_F(ReleasesTest, ARemovalTakesEachFileOfTheVersionAndNoOther) {
    releases.put("lethe_2.efi", image, beside);
    put_file("lethe_2+2-1.efi", image);
    releases.put("lethe_2.1.efi", image, beside);
    put_file("other_2.efi", image);
    medium.sync_names();
    ASSERT_TRUE(releases->remove("2"));
    EXPECT_EQ(listed(), Names{"lethe_2.1.efi"});
    EXPECT_TRUE(medium.exists("EFI/Linux/other_2.efi"));
    EXPECT_EQ(releases->beside("2.1").value(), beside);
    ASSERT_TRUE(releases->remove("2"));
    EXPECT_EQ(listed(), Names{"lethe_2.1.efi"});
}

TEST_F(ReleasesTest, AVersionThatNoFileCanHaveIsRefused) {
    for (const std::string& version : std::vector<std::string>{"", "x", "../1", "1/2", "1_2", "1 2", "1+3", std::string(65, '1')}) {
        expect_refused(releases->write({version}, image, {}), ErrorKind::invalid_argument, "version");
        expect_refused(releases->complete({version}, image), ErrorKind::invalid_argument, "version");
        expect_refused(releases->remove(version), ErrorKind::invalid_argument, "version");
        EXPECT_EQ(releases->find(version).error().kind, ErrorKind::invalid_argument);
        EXPECT_EQ(releases->beside(version).error().kind, ErrorKind::invalid_argument);
    }
    EXPECT_TRUE(releases->write({std::string(64, '1')}, image, {}));
}

TEST_F(ReleasesTest, CapitalLettersWhichTheEspDoesNotTellFromSmallOnesAreRefused) {
    expect_refused(releases->write({"2RC"}, image, {}), ErrorKind::invalid_argument, "capital");
    for (const char* const present : {"lethe_2RC+3.efi", "lethe_2RC.efi.extra.d"}) {
        put_file(present, image_of(1));
        expect_refused(releases->write({"2rc"}, image, {}), ErrorKind::already_exists, present);
        EXPECT_EQ(file(present), image_of(1));
        ASSERT_TRUE(releases->remove("2RC"));
    }
    EXPECT_TRUE(releases->write({"2rc"}, image, {}));
}

TEST_F(ReleasesTest, WhatIsNoImageOrTooLargeIsRefusedBeforeAnythingIsWritten) {
    releases.put("lethe_2+3.efi", image, beside);
    const auto before = files_of(medium);
    expect_refused(releases->write(staged, Octets(1600), {}), ErrorKind::invalid_argument, "not an EFI image");
    expect_refused(releases->write(staged, OctetView(image).first(512), {}), ErrorKind::invalid_argument, "not an EFI image");
    expect_refused(releases->write(staged, {}, {}), ErrorKind::invalid_argument, "not an EFI image");
    Octets large(release_limit_octets + 1);
    large[0] = 'M', large[1] = 'Z';
    expect_refused(releases->write(staged, large, {}), ErrorKind::invalid_argument, "64 MiB");
    expect_refused(releases->complete(staged, large), ErrorKind::invalid_argument, "64 MiB");
    EXPECT_EQ(files_of(medium), before);
}

TEST_F(ReleasesTest, AFullDiskEndsAWriteAndARemovalTakesOffWhatWasWritten) {
    releases.put("lethe_1.efi", image_of(1));
    const auto before = files_of(medium);
    for (const std::size_t room : {0, 2, 3, 5, 10, 600, 1609}) {
        medium.room = medium.used() + room;
        const auto written = releases->write(staged, image, beside);
        ASSERT_FALSE(written) << room;
        EXPECT_EQ(written.error().kind, ErrorKind::io);
        EXPECT_TRUE(
            std::ranges::none_of(*releases->list(), [](const auto& release) { return release.name.version == "2" && release.complete; }));
        const auto removed = releases->remove("2");
        ASSERT_TRUE(removed) << removed.error().message;
        EXPECT_EQ(files_of(medium), before);
    }
    medium.room = medium.used() + 1610;
    EXPECT_TRUE(releases->write(staged, image, beside));
}

TEST_F(ReleasesTest, AMediumThatReadsBackOtherwiseIsNoticed) {
    for (const auto& [what, file] : {std::pair{"sync EFI/Linux/lethe_2.efi.extra.d/a.cred", "EFI/Linux/lethe_2.efi.extra.d/a.cred"},
                                     {"sync EFI/Linux/lethe_2+3.efi", "EFI/Linux/lethe_2+3.efi"}}) {
        meddle = [&](const std::string& next) {
            if (next == what) medium.write(file, as_octets("!"));
        };
        expect_refused(releases->write(staged, image, beside), ErrorKind::io, file);
    }
    meddle = [](const std::string&) {};
    ASSERT_TRUE(releases->write(staged, image, beside));
    meddle = [&](const std::string& next) {
        if (next.starts_with("sync")) medium.write("EFI/Linux/lethe_2+3.efi", as_octets("MZ!"));
    };
    expect_refused(releases->complete(staged, image), ErrorKind::io, "lethe_2+3.efi");
}

TEST_F(ReleasesTest, OnlyWhatWasWrittenOfThisImageIsCompleted) {
    expect_refused(releases->complete(staged, image), ErrorKind::wrong_state, "write it anew");
    ASSERT_TRUE(releases->write(staged, image, beside));
    expect_refused(releases->complete({"2"}, image), ErrorKind::wrong_state, "write it anew");
    expect_refused(releases->complete(staged, image_of(3)), ErrorKind::wrong_state, "write it anew");
    expect_refused(releases->complete(staged, image_of(2, 1700)), ErrorKind::wrong_state, "write it anew");
    EXPECT_EQ(listed(), Names{"lethe_2+3.efi, torn"});
    ASSERT_TRUE(releases->complete(staged, image));
    EXPECT_TRUE(releases->complete(staged, image)) << "the same command again";
    EXPECT_EQ(file("lethe_2+3.efi"), image);
}

TEST_F(ReleasesTest, OneThatIsWithheldIsNoImageUntilItIsCompletedAgain) {
    const ReleaseName tried{"2", BootTries{0, 3}};
    ASSERT_TRUE(releases->write(tried, image, beside));
    ASSERT_TRUE(releases->complete(tried, image));
    ASSERT_TRUE(releases->withhold("2"));
    EXPECT_EQ(listed(), Names{"lethe_2+0-3.efi, torn"});
    EXPECT_TRUE(releases->beside("2")->empty());
    Octets kept = image;
    kept[0] = kept[1] = 0;
    EXPECT_EQ(file("lethe_2+0-3.efi"), kept);
    meddle = [](const std::string& what) { ADD_FAILURE() << what << ", though it is withheld already"; };
    ASSERT_TRUE(releases->withhold("2"));
    meddle = [](const std::string&) {};
    EXPECT_EQ(releases->withheld(tried).value(), image);

    const BesideFiles others{{"b.cred", some_octets("two")}};
    ASSERT_TRUE(releases->write_again(tried, staged, image, others));
    EXPECT_EQ(listed(), Names{"lethe_2+3.efi, torn"});
    EXPECT_EQ(releases->beside("2").value(), others);
    ASSERT_TRUE(releases->complete(staged, image));
    EXPECT_EQ(file("lethe_2+3.efi"), image);
}

TEST_F(ReleasesTest, AnotherImageThanTheOneThatIsWithheldIsRefused) {
    ASSERT_TRUE(releases->write(staged, image, beside));
    expect_refused(releases->write_again(staged, staged, image_of(3), beside), ErrorKind::wrong_state, "is not what was read");
    EXPECT_EQ(releases->beside("2").value(), beside);
    EXPECT_EQ(releases->withheld({"4"}).error().kind, ErrorKind::not_found);
}

TEST_F(ReleasesTest, WhatIsLackingIsCountedInClusters) {
    constexpr std::uint64_t cluster = 64 << 10;
    medium.room = 10 * cluster;
    EXPECT_EQ(releases->lacks(9 * cluster, {}), 0U);
    EXPECT_EQ(releases->lacks(9 * cluster + 1, {}), cluster);
    EXPECT_EQ(releases->lacks(5 * cluster, std::array<std::uint64_t, 3>{1, 0, cluster + 1}), 0U);
    EXPECT_EQ(releases->lacks(5 * cluster, std::array<std::uint64_t, 4>{1, 0, cluster + 1, 1}), cluster);
    EXPECT_GT(releases->lacks(~std::uint64_t{0}, std::array{~std::uint64_t{0}}).value(), std::uint64_t{1} << 48);
    put_file("something", Octets(cluster));
    EXPECT_EQ(releases->lacks(9 * cluster, {}), cluster);
}

TEST(BesideNames, AreWhatTheStubTakes) {
    for (const char* const name : {"a.cred", "tor.raw", "etc.confext.raw", "debug.addon.efi", "A-b_c.1~2+3@x.CRED"})
        EXPECT_TRUE(check_beside_name(name)) << name;
    for (const char* const name : {"", "a", ".cred", ".a.cred", "a.txt", "a.efi", "a.cred.bak", "../a.cred", "a/b.cred", "a\\b.cred",
                                   "a b.cred", "a\n.cred", "\u00e4.cred", "a:b.cred", "a*.cred"})
        EXPECT_FALSE(check_beside_name(name)) << name;
    EXPECT_TRUE(check_beside_name(std::string(250, 'a') + ".cred"));
    EXPECT_FALSE(check_beside_name(std::string(251, 'a') + ".cred"));
}

TEST_F(ReleasesTest, FilesBesideThatDoNotFitTheEspAreRefusedBeforeAnythingIsWritten) {
    expect_refused(releases->write(staged, image, {{"notes.txt", {}}}), ErrorKind::invalid_argument, "notes.txt");
    expect_refused(releases->write(staged, image, {{"a.cred", {}}, {"A.cred", {}}}), ErrorKind::invalid_argument, "capital");
    expect_refused(releases->write(staged, image, {{"a.raw", Octets(disk_file_limit_octets + 1)}}), ErrorKind::invalid_argument, "a.raw");
    BesideFiles many;
    for (int i = 0; i < 129; ++i) many[std::to_string(i) + ".cred"] = {};
    expect_refused(releases->write(staged, image, many), ErrorKind::invalid_argument, "128");
    EXPECT_TRUE(medium.names().empty());
    many.erase("0.cred");
    EXPECT_TRUE(releases->write(staged, image, many));
}

TEST(ReleasesOnTheEsp, TwinsOfAReleaseGoAndItsFolderStays) {
    Medium medium;
    RecordedReleases releases(medium);
    releases.put("lethe_2.efi", image_of(1), {{"a.cred", some_octets("a")}});
    const Octets twin = image_of(1), other = image_of(2);
    medium.write("EFI/Linux/lethe_2+2-1.efi", twin);
    medium.write("EFI/Linux/LETHE_2+3.EFI", other);
    releases.put("lethe_1.efi", image_of(3));
    const auto before = files_of(medium);
    EXPECT_EQ(releases->remove_twins("2", "LETHE_2.EFI").value().size(), 2U);
    auto expected = before;
    expected.erase("EFI/Linux/lethe_2+2-1.efi");
    expected.erase("EFI/Linux/LETHE_2+3.EFI");
    EXPECT_EQ(files_of(medium), expected);
    EXPECT_TRUE(releases->remove_twins("2", "lethe_2.efi").value().empty());
    EXPECT_EQ(files_of(medium), expected);
}

}  // namespace
}  // namespace lethe
