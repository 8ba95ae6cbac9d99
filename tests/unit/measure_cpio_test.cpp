// The archives that the stub makes of files on the ESP.
#include <gtest/gtest.h>

#include "measure/cpio.hpp"

namespace lethe {
namespace {

CpioFile file(std::string name, std::string_view contents) { return {std::move(name), as_octets(contents)}; }

// An entry as the format has it: 13 fields of 8 digits, the path, NULs up to a multiple of 4, the contents, NULs again.
std::string entry(unsigned inode, std::string_view mode, std::string_view path, std::string_view contents = "") {
    const std::string zero(8, '0');
    std::string text = std::format("070701{:08x}{}{}{}00000001{}{:08x}{}{}{}{}{:08x}{}{}", inode, mode, zero, zero, zero, contents.size(),
                                   zero, zero, zero, zero, path.size() + 1, zero, path);
    do text += '\0';
    while (text.size() % 4 != 0);
    text += contents;
    while (text.size() % 4 != 0) text += '\0';
    return text;
}

const std::string trailer =
    "070701" + std::string(32, '0') + "00000001" + std::string(48, '0') + "0000000B00000000TRAILER!!!" + std::string(4, '\0');

std::string archive(const CpioTarget& target, const std::vector<CpioFile>& files) {
    return std::string(as_text(cpio_archive(target, files).value()));
}

std::string refusal(const CpioTarget& target, const std::vector<CpioFile>& files) {
    const auto made = cpio_archive(target, files);
    if (made) return "made";
    EXPECT_EQ(made.error().kind, ErrorKind::invalid_argument);
    return made.error().message;
}

TEST(Cpio, CredentialsAreReadByRootAlone) {
    EXPECT_EQ(archive(cpio_credentials, {file("a.cred", "12345")}),
              entry(1, "0000416d", ".extra") + entry(2, "00004140", ".extra/credentials") +
                  entry(3, "00008100", ".extra/credentials/a.cred", "12345") + trailer);
}

TEST(Cpio, ExtensionsAreReadByAll) {
    EXPECT_EQ(archive(cpio_sysext, {file("tor.raw", "1234")}), entry(1, "0000416d", ".extra") + entry(2, "0000416d", ".extra/sysext") +
                                                                   entry(3, "00008124", ".extra/sysext/tor.raw", "1234") + trailer);
    EXPECT_EQ(archive(cpio_own, {file("os-release", "")}),
              entry(1, "0000416d", ".extra") + entry(2, "00008124", ".extra/os-release") + trailer);
}

TEST(Cpio, FilesAreSortedByTheirNames) {
    const std::vector<CpioFile> files{file("b.cred", "2"), file("a.cred", "1"), file("B.CRED", "0")};
    const std::vector<CpioFile> in_order{file("B.CRED", "0"), file("a.cred", "1"), file("b.cred", "2")};
    EXPECT_EQ(archive(cpio_credentials, files), archive(cpio_credentials, in_order));
    const std::string all = archive(cpio_credentials, files);
    EXPECT_LT(all.find("B.CRED"), all.find("a.cred"));
    EXPECT_LT(all.find("a.cred"), all.find("b.cred"));
}

TEST(Cpio, AnArchiveIsAMultipleOfFourOctets) {
    for (std::size_t size = 0; size < 5; ++size) {
        const std::string contents(size, 'x'), name(size + 1, 'n');
        EXPECT_EQ(archive(cpio_confext, {file(name + ".confext.raw", contents)}).size() % 4, 0u) << size;
    }
}

TEST(Cpio, TheStubTakesFilesByTheirSuffix) {
    EXPECT_TRUE(is_taken(cpio_credentials, "a.cred"));
    EXPECT_TRUE(is_taken(cpio_credentials, "A.CRED"));
    EXPECT_FALSE(is_taken(cpio_credentials, "a.cred.bak"));
    EXPECT_FALSE(is_taken(cpio_credentials, ".cred"));
    EXPECT_FALSE(is_taken(cpio_credentials, "caf\xc3\xa9.cred"));
    EXPECT_TRUE(is_taken(cpio_credentials, std::string(250, 'a') + ".cred"));
    EXPECT_FALSE(is_taken(cpio_credentials, std::string(251, 'a') + ".cred"));
    EXPECT_TRUE(is_taken(cpio_sysext, "a.raw"));
    EXPECT_TRUE(is_taken(cpio_sysext, "a.sysext.raw"));
    EXPECT_FALSE(is_taken(cpio_sysext, "a.Confext.raw"));
    EXPECT_TRUE(is_taken(cpio_confext, "a.confext.raw"));
    EXPECT_FALSE(is_taken(cpio_confext, "a.raw"));
}

TEST(Cpio, WhatTheStubWouldNotPackIsRefused) {
    EXPECT_TRUE(refusal(cpio_credentials, {}).contains("no file"));
    EXPECT_TRUE(refusal(cpio_credentials, {file("a.raw", "")}).contains("not one that the stub takes"));
    EXPECT_TRUE(refusal(cpio_credentials, {file("../a.cred", "")}).contains("not one that the stub takes"));
    EXPECT_TRUE(refusal(cpio_credentials, {file("a.cred", "1"), file("b.cred", ""), file("a.cred", "2")}).contains("twice"));
}

}  // namespace
}  // namespace lethe
