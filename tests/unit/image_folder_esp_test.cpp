// The ESP as a mounted file system, and the boot loader's variable as a file of efivarfs.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "image/releases.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

struct FolderEspTest : testing::Test {
    TemporaryFolder folder;
    fs::path images = folder / "efi/EFI/Linux";
    fs::path efivars = folder / "efivars";
    fs::path variable = efivars / "LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
    std::unique_ptr<Esp> esp;

    FolderEspTest() {
        fs::create_directories(images);
        fs::create_directories(efivars);
        esp = open_folder_esp(folder / "efi", efivars).value();
    }

    static Octets image() {
        Octets octets(100'000, 7);
        octets[0] = 'M', octets[1] = 'Z';
        return octets;
    }
    static std::string text(const fs::path& file) {
        const auto octets = read_file(file, 1 << 20);
        EXPECT_TRUE(octets) << octets.error().message;
        return octets ? std::string(as_text(*octets)) : "";
    }
};

TEST_F(FolderEspTest, IsThereWhereItIsMounted) {
    EXPECT_EQ(esp->place(), folder / "efi");
    EXPECT_EQ(esp->images().place(), images);
    const auto none = open_folder_esp(folder / "nowhere", efivars);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::not_found);
    EXPECT_TRUE(none.error().message.contains("mounted")) << none.error().message;
}

TEST_F(FolderEspTest, MakesAndRemovesTheFolderBesideARelease) {
    EXPECT_EQ(esp->beside("2").error().kind, ErrorKind::not_found);
    EXPECT_TRUE(esp->remove_beside("2"));
    const auto made = esp->make_beside("2");
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_TRUE((*made)->write("a.cred", as_octets("octets")));
    EXPECT_EQ(text(images / "lethe_2.efi.extra.d/a.cred"), "octets");
    EXPECT_TRUE(esp->make_beside("2").value()->exists("a.cred").value());
    EXPECT_TRUE(esp->beside("2").value()->exists("a.cred").value());
    EXPECT_EQ(esp->remove_beside("2").error().kind, ErrorKind::io) << "it is not empty";
    ASSERT_TRUE((*made)->remove("a.cred"));
    EXPECT_TRUE(esp->remove_beside("2"));
    EXPECT_FALSE(fs::exists(images / "lethe_2.efi.extra.d"));
}

TEST_F(FolderEspTest, AFileInPlaceOfTheFolderIsRefused) {
    ASSERT_TRUE(write_new_file(AT_FDCWD, images / "lethe_2.efi.extra.d", {}, 0644));
    EXPECT_EQ(esp->beside("2").error().kind, ErrorKind::io);
    EXPECT_EQ(esp->make_beside("2").error().kind, ErrorKind::io);
    EXPECT_EQ(esp->remove_beside("2").error().kind, ErrorKind::io);
    fs::remove_all(images);
    EXPECT_EQ(esp->make_beside("2").error().kind, ErrorKind::not_found);
}

TEST_F(FolderEspTest, HoldsReleases) {
    Releases releases(*esp);
    const ReleaseName name{"2", BootTries{3}};
    const BesideFiles beside{{"a.cred", Octets(5000, 1)}, {"b.raw", {}}};
    const auto written = releases.write(name, image(), beside);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(text(images / "lethe_2+3.efi").substr(0, 513), std::string(512, '\0') + '\7');
    EXPECT_EQ(releases.list().value(), (std::vector<StoredRelease>{{name, false}}));
    ASSERT_TRUE(releases.complete(name, image()));
    EXPECT_EQ(read_file(images / "lethe_2+3.efi", 1 << 20).value(), image());
    EXPECT_EQ(releases.list().value(), (std::vector<StoredRelease>{{name, true}}));
    EXPECT_EQ(releases.beside("2").value(), beside);
    ASSERT_TRUE(releases.remove("2"));
    EXPECT_TRUE(fs::is_empty(images));
}

TEST_F(FolderEspTest, RenamesAFileAndNeverOverAnotherOne) {
    ASSERT_TRUE(write_new_file(AT_FDCWD, images / "lethe_2+3.efi", as_octets("octets"), 0444));
    ASSERT_TRUE(esp->rename("lethe_2+3.efi", "lethe_2.efi"));
    EXPECT_EQ(text(images / "lethe_2.efi"), "octets");
    EXPECT_FALSE(fs::exists(images / "lethe_2+3.efi"));
    EXPECT_EQ(fs::status(images / "lethe_2.efi").permissions() & fs::perms::owner_write, fs::perms::owner_write) << "still read-only";
    ASSERT_TRUE(write_new_file(AT_FDCWD, images / "lethe_2+3.efi", as_octets("twin"), 0644));
    EXPECT_EQ(esp->rename("lethe_2+3.efi", "lethe_2.efi").error().kind, ErrorKind::already_exists);
    EXPECT_EQ(text(images / "lethe_2.efi"), "octets");
    EXPECT_EQ(esp->rename("lethe_1.efi", "lethe_0.efi").error().kind, ErrorKind::not_found);
}

TEST_F(FolderEspTest, SaysWhichEntryIsNext) {
    EXPECT_EQ(esp->one_shot().value(), "");
    ASSERT_TRUE(esp->set_one_shot("lethe_2.efi"));
    EXPECT_EQ(esp->one_shot().value(), "lethe_2.efi");
    ASSERT_TRUE(esp->set_one_shot(""));
    EXPECT_EQ(esp->one_shot().value(), "");
}

TEST_F(FolderEspTest, WhatIsNoFileIsNamed) {
    Releases releases(*esp);
    fs::create_directories(images / "lethe_2.efi.extra.d/folder.cred");
    for (const auto& result : {releases.remove("2"), releases.write({"2"}, image(), {})}) {
        ASSERT_FALSE(result);
        EXPECT_TRUE(result.error().message.contains("folder.cred")) << result.error().message;
    }
    EXPECT_EQ(releases.beside("2").error().kind, ErrorKind::corrupt);
    fs::create_directories(images / "lethe_3.efi");
    const auto list = releases.list();
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(list.error().message.contains("lethe_3.efi")) << list.error().message;
    fs::remove_all(images);
    fs::create_directories(images / "lethe_2.efi");
    EXPECT_TRUE(releases.list());
}

TEST_F(FolderEspTest, TheNextEntryIsAVariableInUtf16) {
    ASSERT_TRUE(esp->set_one_shot("lethe_2.efi"));
    const std::string expected("\7\0\0\0l\0e\0t\0h\0e\0_\0002\0.\0e\0f\0i\0\0\0", 28);
    EXPECT_EQ(text(variable), expected);
    ASSERT_TRUE(esp->set_one_shot("lethe_2.efi"));
    EXPECT_EQ(text(variable), expected);
    ASSERT_TRUE(esp->set_one_shot("lethe_3.efi"));
    EXPECT_EQ(text(variable)[16], '3');
}

TEST_F(FolderEspTest, TheNextEntryIsTakenBack) {
    EXPECT_TRUE(esp->set_one_shot("")) << "there is none";
    ASSERT_TRUE(esp->set_one_shot("lethe_2.efi"));
    ASSERT_TRUE(esp->set_one_shot(""));
    EXPECT_FALSE(fs::exists(variable));
}

TEST_F(FolderEspTest, AnEntryThatIsNoFileNameIsRefused) {
    for (const char* const entry : {"lethe_*.efi", "lethe_?.efi", "[a]", "a b", "a/b", "a\\b", "\u00e4.efi", "a\n"}) {
        const auto set = esp->set_one_shot(entry);
        ASSERT_FALSE(set) << entry;
        EXPECT_EQ(set.error().kind, ErrorKind::invalid_argument);
    }
    EXPECT_FALSE(fs::exists(variable));
}

TEST_F(FolderEspTest, WithoutEfiTheNextEntryCannotBeSet) {
    fs::remove_all(efivars);
    const auto set = esp->set_one_shot("lethe_2.efi");
    ASSERT_FALSE(set);
    EXPECT_TRUE(set.error().message.contains("boot loader")) << set.error().message;
    EXPECT_TRUE(esp->set_one_shot(""));
    fs::create_directories(variable);
    EXPECT_FALSE(esp->set_one_shot("lethe_2.efi"));
    EXPECT_FALSE(esp->set_one_shot(""));
}

}  // namespace
}  // namespace lethe
