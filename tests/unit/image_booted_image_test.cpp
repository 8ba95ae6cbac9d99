#include "image/booted_image.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct BootedFiles : testing::Test {
    TemporaryFolder folder;
    std::vector<std::filesystem::path> esps{folder / "none", folder / "esp"};

    void variable(const std::string& name, Octets content) {
        content.insert(content.begin(), {6, 0, 0, 0});
        const std::string vendor =
            name == "SecureBoot" || name == "SetupMode" ? "8be4df61-93ca-11d2-aa0d-00e098032b8c" : "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
        std::filesystem::create_directories(folder / "efivars");
        ASSERT_TRUE(replace_file(folder / "efivars" / (name + "-" + vendor), content, 0644));
    }
    void path_variable(const std::string& name, std::string_view path) {
        Octets content;
        for (char c : path) content.insert(content.end(), {static_cast<std::uint8_t>(c), 0});
        content.insert(content.end(), {0, 0});
        variable(name, content);
    }
    void file(const std::string& path) {
        std::filesystem::create_directories((folder / "esp" / path).parent_path());
        ASSERT_TRUE(replace_file(folder / "esp" / path, {}, 0644));
    }
    Result<BootedImage> find() { return find_booted_image(folder / "efivars", esps); }

    BootedFiles() {
        path_variable("StubInfo", "systemd-stub 257");
        path_variable("LoaderDevicePartUUID", "6C657468-6500-4000-8000-000000000009");
        path_variable("StubImageIdentifier", R"(\EFI\Linux\lethe_1.efi)");
        path_variable("LoaderImageIdentifier", R"(\EFI\BOOT\BOOTX64.EFI)");
        variable("SecureBoot", {1});
        variable("SetupMode", {0});
        file("EFI/Linux/lethe_1.efi");
        file("EFI/BOOT/BOOTX64.EFI");
    }
};

TEST_F(BootedFiles, AreFoundOnTheEsp) {
    const auto image = find();
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_TRUE(image->secure_boot);
    EXPECT_EQ(image->uki, folder / "esp/EFI/Linux/lethe_1.efi");
    EXPECT_EQ(image->loader, folder / "esp/EFI/BOOT/BOOTX64.EFI");
}

TEST_F(BootedFiles, SecureBootIsOffWithoutItsVariableAndWhenItSaysSo) {
    variable("SecureBoot", {0});
    EXPECT_FALSE(find()->secure_boot);
    std::filesystem::remove(folder / "efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    EXPECT_FALSE(find()->secure_boot);
}

TEST_F(BootedFiles, SetupModeIsToldApartFromOff) {
    EXPECT_EQ(find()->secure_boot_state(), SecureBoot::on);
    variable("SecureBoot", {0});
    EXPECT_EQ(find()->secure_boot_state(), SecureBoot::off);
    variable("SetupMode", {1});
    EXPECT_FALSE(find()->secure_boot);
    EXPECT_EQ(find()->secure_boot_state(), SecureBoot::setup);
    variable("SetupMode", {1, 0});
    EXPECT_EQ(find().error().kind, ErrorKind::corrupt);
}

TEST_F(BootedFiles, AUkiThatWasMarkedGoodSinceIsFoundUnderItsNewName) {
    path_variable("StubImageIdentifier", R"(\EFI\Linux\lethe_1+2-1.efi)");
    EXPECT_EQ(find()->uki, folder / "esp/EFI/Linux/lethe_1.efi");
}

TEST_F(BootedFiles, AUkiStartedByTheFirmwareHasNoLoader) {
    std::filesystem::remove(folder / "efivars/LoaderImageIdentifier-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
    const auto image = find();
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_FALSE(image->loader);
}

TEST_F(BootedFiles, ABootWithoutAStubIsWrongState) {
    std::filesystem::remove(folder / "efivars/StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
    EXPECT_EQ(find().error().kind, ErrorKind::wrong_state);
}

TEST_F(BootedFiles, AnImageFromTheNetworkIsNoFile) {
    std::filesystem::remove(folder / "efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
    const auto image = find();
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_FALSE(image->uki);
    EXPECT_FALSE(image->loader);
    EXPECT_TRUE(image->secure_boot);
}

TEST_F(BootedFiles, AFileThatIsNotThereIsWrongState) {
    std::filesystem::remove(folder / "esp/EFI/Linux/lethe_1.efi");
    file("EFI/Linux/lethe_2.efi");
    EXPECT_EQ(find().error().kind, ErrorKind::wrong_state);
}

TEST_F(BootedFiles, APathOutOfTheEspIsCorrupt) {
    for (const char* path : {R"(\..\etc\shadow)", R"(\EFI\..\..\x)", "", "\\", "\\a\x01"}) {
        path_variable("StubImageIdentifier", path);
        EXPECT_EQ(find().error().kind, ErrorKind::corrupt) << path;
    }
    variable("StubImageIdentifier", {'\\', 0x20});
    EXPECT_EQ(find().error().kind, ErrorKind::corrupt);
}

TEST(BootCounter, IsTakenOffANameAndNothingElseIs) {
    EXPECT_EQ(without_boot_counter("lethe_1+3.efi"), "lethe_1.efi");
    EXPECT_EQ(without_boot_counter("lethe_1+2-1.efi"), "lethe_1.efi");
    for (const char* name : {"lethe_1.efi", "lethe_1+.efi", "lethe_1+b.efi", "lethe+1-2-3.efi", "lethe"})
        EXPECT_EQ(without_boot_counter(name), name);
}

}  // namespace
}  // namespace lethe
