// The files of a boot, read from where they lie.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.hpp"
#include "built_pe.hpp"
#include "image/boot_reading.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

struct Esp {
    TemporaryFolder folder;
    fs::path root = folder.path();
    fs::path uki = put("lethe_1+3.efi", BuiltPe({{".linux", octets_of("kernel"), {}}}).octets());

    fs::path put(const fs::path& name, OctetView octets) {
        fs::create_directories((root / name).parent_path());
        EXPECT_TRUE(write_new_file(AT_FDCWD, root / name, octets, 0600));
        return root / name;
    }
};

std::vector<std::string> names(std::vector<CpioFile> files) {
    std::vector<std::string> found;
    for (auto& file : files) found.push_back(std::move(file.name));
    std::ranges::sort(found);
    return found;
}

TEST(BootReading, TheFolderBesideAnImageIsNamedWithoutTheTriesLeft) {
    EXPECT_EQ(folder_beside("/efi/EFI/Linux/lethe_1+3-0.efi"), "/efi/EFI/Linux/lethe_1.efi.extra.d");
    EXPECT_EQ(folder_beside("lethe_1.efi"), "lethe_1.efi.extra.d");
}

TEST(BootReading, ReadsImagesAndTheFilesOfEachFolder) {
    Esp esp;
    esp.put("lethe_1.efi.extra.d/a.cred", octets_of("1"));
    esp.put("lethe_1.efi.extra.d/b.raw", octets_of("2"));
    esp.put("lethe_1.efi.extra.d/folder/c.cred", octets_of("3"));
    esp.put("credentials/g.cred", octets_of("4"));
    const auto reading = BootReading::read({.uki = esp.uki,
                                            .loader = esp.uki,
                                            .beside = folder_beside(esp.uki),
                                            .global_credentials = esp.root / "credentials",
                                            .global_addons = esp.root / "nowhere"});
    ASSERT_TRUE(reading) << reading.error().message;
    EXPECT_EQ(names(reading->files().beside), (std::vector<std::string>{"a.cred", "b.raw"}));
    EXPECT_EQ(names(reading->files().global_credentials), std::vector<std::string>{"g.cred"});
    EXPECT_TRUE(reading->files().global_addons.empty());
    EXPECT_TRUE(reading->files().loader);
    EXPECT_EQ(as_text(reading->files().global_credentials[0].octets), "4");
}

TEST(BootReading, WhatIsMissingOrNoImageIsNamed) {
    Esp esp;
    const auto missing = BootReading::read({.uki = esp.root / "none.efi"});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
    const auto text = BootReading::read({.uki = esp.put("text.efi", octets_of("text"))});
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(text.error().message.contains("text.efi")) << text.error().message;
}

TEST(BootReading, ALinkAmongTheFilesIsRefused) {
    Esp esp;
    fs::create_directories(esp.root / "beside");
    fs::create_symlink("/etc/hostname", esp.root / "beside/a.cred");
    EXPECT_FALSE(BootReading::read({.uki = esp.uki, .beside = esp.root / "beside"}));
}

}  // namespace
}  // namespace lethe
