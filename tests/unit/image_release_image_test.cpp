#include <gtest/gtest.h>

#include "built_pe.hpp"
#include "image/release_image.hpp"

namespace lethe {
namespace {

const std::string os_release = "ID=debian\nIMAGE_ID=lethe\nIMAGE_VERSION=1.2~rc1\n",
                  magic = "#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####";

// The sections of a release; an empty one is left out.
struct ReleaseParts {
    std::string os_release = lethe::os_release, magic = lethe::magic, command_line = "quiet lethe.profile=production", kernel = "kernel";

    Octets image() const {
        std::vector<BuiltSection> sections;
        for (const auto& [name, text] :
             {std::pair(".osrel", os_release), {".sdmagic", magic}, {".cmdline", command_line}, {".linux", kernel}})
            if (!text.empty()) sections.push_back({name, octets_of(text), {}});
        return BuiltPe(sections).octets();
    }
};

struct Reading {
    Octets file;  ///< which the image borrows
    Result<ReleaseImage> image;

    explicit Reading(const ReleaseParts& parts) : file(parts.image()), image(read_release_image(file)) {}
};

void expect_refused(const ReleaseParts& parts, std::string_view words) {
    const Reading read(parts);
    ASSERT_FALSE(read.image) << words;
    EXPECT_EQ(read.image.error().kind, ErrorKind::corrupt);
    EXPECT_TRUE(read.image.error().message.starts_with("not a release of Lethe")) << read.image.error().message;
    EXPECT_TRUE(read.image.error().message.contains(words)) << read.image.error().message;
}

TEST(ReleaseImage, SaysItsVersionItsProfileAndItsStub) {
    const Reading read(ReleaseParts{});
    ASSERT_TRUE(read.image) << read.image.error().message;
    EXPECT_EQ(read.image->version, "1.2~rc1");
    EXPECT_EQ(read.image->profile, "production");
    EXPECT_EQ(read.image->stub, "257.13-1~deb13u1");
    EXPECT_EQ(read.image->pe.octets.size(), read.file.size());
}

TEST(ReleaseImage, MayQuoteItsValuesAndTheLastOneCounts) {
    const Reading read({.os_release = "IMAGE_VERSION=9\nIMAGE_ID=\"lethe\"\nIMAGE_VERSION=\"1\"\n",
                        .command_line = "lethe.profile=production lethe.profile=debug"});
    ASSERT_TRUE(read.image) << read.image.error().message;
    EXPECT_EQ(read.image->version, "1");
    EXPECT_EQ(read.image->profile, "debug");
}

TEST(ReleaseImage, WithoutAProfileHasNone) {
    EXPECT_EQ(Reading({.command_line = ""}).image->profile, "");
    EXPECT_EQ(Reading({.command_line = "quiet xlethe.profile=production"}).image->profile, "");
}

TEST(ReleaseImage, OfAnotherSystemIsNone) {
    for (const char* text :
         {"", "ID=debian\nIMAGE_VERSION=1\n", "IMAGE_ID=lethe2\nIMAGE_VERSION=1\n", "IMAGE_ID=\"lethe\nIMAGE_VERSION=1\n",
          "XIMAGE_ID=lethe\nIMAGE_VERSION=1\n", "IMAGE_ID=lethe\nIMAGE_ID=other\nIMAGE_VERSION=1\n"})
        expect_refused({.os_release = text}, "IMAGE_ID=lethe");
}

TEST(ReleaseImage, WithAVersionThatNoReleaseHasIsNone) {
    for (const char* version : {"", "v1", "../1", "1/2", "1+3", "1 2", "1\x1b"})
        expect_refused({.os_release = std::string("IMAGE_ID=lethe\nIMAGE_VERSION=") + version + "\n"}, "IMAGE_VERSION");
    expect_refused({.os_release = "IMAGE_ID=lethe\nIMAGE_VERSION=" + std::string(65, '1')}, "IMAGE_VERSION");
    expect_refused({.os_release = "IMAGE_ID=lethe\n"}, "IMAGE_VERSION");
    expect_refused({.os_release = std::string("IMAGE_ID=lethe\n\0IMAGE_VERSION=1\n", 32)}, "IMAGE_VERSION");
}

TEST(ReleaseImage, WithoutTheStubsMagicIsNone) {
    for (const char* text :
         {"", "#### LoaderInfo: systemd-boot 257 ####", "#### LoaderInfo: systemd-stub 257", "#### LoaderInfo: systemd-stub  ####"})
        expect_refused({.magic = text}, "systemd-stub");
}

TEST(ReleaseImage, WithWordsThatDisturbATerminalIsNone) {
    expect_refused({.magic = "#### LoaderInfo: systemd-stub 257\x1b[2J ####"}, "cannot be shown");
    expect_refused({.command_line = "lethe.profile=de\nbug"}, "cannot be shown");
}

TEST(ReleaseImage, WithoutAKernelOrThatIsNoImageIsNone) {
    expect_refused({.kernel = ""}, ".linux");
    for (const char* file : {"", "MZ", "no image"}) EXPECT_EQ(read_release_image(as_octets(file)).error().kind, ErrorKind::corrupt) << file;
}

TEST(ReleaseImage, OfTheSystemdThatIsPredictedIsKnown) {
    for (const char* stub : {"257", "257.13-1~deb13u1", "257~rc1"})
        EXPECT_TRUE(check_stub({.pe = {}, .version = "1", .profile = {}, .stub = stub})) << stub;
}

TEST(ReleaseImage, OfAnotherSystemdIsRefused) {
    for (const char* stub : {"258.1", "256", "25", "2570", "x257", ""}) {
        const auto checked = check_stub({.pe = {}, .version = "1.3", .profile = {}, .stub = stub});
        ASSERT_FALSE(checked) << stub;
        EXPECT_EQ(checked.error().kind, ErrorKind::policy_mismatch);
        EXPECT_TRUE(checked.error().message.contains("release 1.3")) << checked.error().message;
    }
}

}  // namespace
}  // namespace lethe
