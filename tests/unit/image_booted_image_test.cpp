#include "image/booted_image.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "built_release.hpp"
#include "measure/pe.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct BootedFiles : testing::Test {
    TemporaryFolder folder;
    std::vector<std::filesystem::path> esps{folder / "none", folder / "esp"};

    void variable(const std::string& name, Octets content, std::uint8_t attributes = 6) {
        content.insert(content.begin(), {attributes, 0, 0, 0});
        const std::string vendor =
            name == "SecureBoot" || name == "SetupMode" ? "8be4df61-93ca-11d2-aa0d-00e098032b8c" : "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
        std::filesystem::create_directories(folder / "efivars");
        ASSERT_TRUE(replace_file(folder / "efivars" / (name + "-" + vendor), content, 0644));
    }
    void path_variable(const std::string& name, std::string_view path, std::uint8_t attributes = 6) {
        Octets content;
        for (char c : path) content.insert(content.end(), {static_cast<std::uint8_t>(c), 0});
        content.insert(content.end(), {0, 0});
        variable(name, content, attributes);
    }
    void file(const std::string& path, OctetView content = {}) {
        std::filesystem::create_directories((folder / "esp" / path).parent_path());
        ASSERT_TRUE(replace_file(folder / "esp" / path, content, 0644));
    }
    bool is_counted_as(const std::string& booted_as) {
        path_variable("StubImageIdentifier", "\\EFI\\Linux\\" + booted_as);
        return find().value().counted;
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
    EXPECT_TRUE(find()->uki) << "the variable was removed in this boot";
    std::filesystem::remove(folder / "esp/EFI/Linux/lethe_1.efi");
    const auto image = find();
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_FALSE(image->uki);
    EXPECT_FALSE(image->loader);
    EXPECT_TRUE(image->secure_boot);
}

TEST_F(BootedFiles, AFileThatIsNotThereIsIo) {
    std::filesystem::remove(folder / "esp/EFI/Linux/lethe_1.efi");
    file("EFI/Linux/lethe_2.efi");
    EXPECT_EQ(find().error().kind, ErrorKind::io);
}

TEST_F(BootedFiles, ABootIsCountedWhenTheBootLoaderSaysSoOfTheFileThatWasBooted) {
    EXPECT_FALSE(is_counted_as("lethe_1+2-1.efi"));
    path_variable("LoaderBootCountPath", R"(\EFI\Linux\lethe_1+2-1.efi)");
    EXPECT_TRUE(is_counted_as("lethe_1+2-1.efi"));
    EXPECT_TRUE(is_counted_as("LETHE_1+2-1.EFI"));
    EXPECT_FALSE(is_counted_as("lethe_1+3.efi"));
}

// The boot loader has renamed the file, and could not say so.
TEST_F(BootedFiles, ABootWhoseCountIsHiddenIsCountedByTheNameOfItsFile) {
    path_variable("LoaderBootCountPath", R"(\EFI\Linux\lethe_9.9+3.efi)", 7);
    EXPECT_TRUE(is_counted_as("lethe_1+2-1.efi"));
    EXPECT_FALSE(is_counted_as("lethe_1+3.efi"));
    EXPECT_FALSE(is_counted_as("lethe_1.efi"));
}

TEST_F(BootedFiles, AVariableThatOutlivesBootsSaysNothingOfThisOne) {
    for (const char* name : {"StubImageIdentifier", "LoaderImageIdentifier"}) {
        path_variable(name, R"(\EFI\Linux\lethe_1.efi)", 7);
        EXPECT_EQ(find().error().kind, ErrorKind::corrupt) << name;
        EXPECT_TRUE(find().error().message.contains(name)) << find().error().message;
        path_variable(name, R"(\EFI\Linux\lethe_1.efi)");
        EXPECT_TRUE(find());
    }
}

Octets digest_of(const Octets& image) {
    constexpr std::array banks{Bank::sha256};
    const auto digests = authenticode(parse_pe(image).value(), banks);
    const OctetView digest = digests.at(Bank::sha256).view();
    return {digest.begin(), digest.end()};
}

TEST_F(BootedFiles, AreFoundByWhatTheyHold) {
    const Octets loader = built_loader(), first = built_release({.version = "1"}), second = built_release({.version = "2"});
    file("EFI/BOOT/BOOTX64.EFI", loader);
    file("EFI/Linux/lethe_1.efi", first);
    file("EFI/Linux/SECOND.EFI", second);
    path_variable("StubImageIdentifier", R"(\EFI\Linux\lethe_1.efi)", 7);
    const std::vector started{digest_of(loader), digest_of(second)};
    const auto found = find_started_image(folder / "efivars", esps, started);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->uki, folder / "esp/EFI/Linux/SECOND.EFI");
    EXPECT_EQ(found->loader, folder / "esp/EFI/BOOT/BOOTX64.EFI");
    EXPECT_TRUE(found->secure_boot);
    EXPECT_EQ(find_started_image(folder / "efivars", esps, std::span(started).first(1)).error().kind, ErrorKind::io);
    EXPECT_EQ(find_started_image(folder / "efivars", esps, std::span(started).last(1)).error().kind, ErrorKind::io);
}

TEST_F(BootedFiles, OfTwoThatHoldTheSameTheSelectedOneIsTaken) {
    const Octets loader = built_loader(), image = built_release({.version = "1"});
    file("EFI/BOOT/BOOTX64.EFI", loader);
    for (const char* name : {"lethe_1.efi", "lethe_1^1+2-1.efi", "lethe_1^2.efi"}) file(std::string("EFI/Linux/") + name, image);
    path_variable("LoaderEntrySelected", "lethe_1^1.efi");
    const auto found = find_started_image(folder / "efivars", esps, std::vector{digest_of(loader), digest_of(image)});
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->uki, folder / "esp/EFI/Linux/lethe_1^1+2-1.efi");
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
