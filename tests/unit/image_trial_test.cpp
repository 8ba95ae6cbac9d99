#include "image/trial.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct Trial : testing::Test {
    TemporaryFolder folder;

    BootedImage booted(const std::string& file, bool counted = true, const std::string& as = "") {
        std::ofstream(folder / file).flush();
        return {.secure_boot = false, .uki = folder / file, .loader = {}, .booted_as = as.empty() ? file : as, .counted = counted};
    }
    bool is_on(const BootedImage& image) { return on_trial(folder.path(), image).value(); }
    bool is_on(const std::string& file) { return is_on(booted(file)); }
    void counted_by_somebody() { std::ofstream(folder / "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f").flush(); }
};

TEST_F(Trial, IsOnWhileTheFileHasTries) {
    EXPECT_TRUE(is_on("lethe_2+2-1.efi"));
    EXPECT_TRUE(is_on("LETHE_2+2-1.EFI"));
    EXPECT_TRUE(is_on("linux+2-1.efi"));
}

TEST_F(Trial, IsOverWhenTheFileWasMarkedGood) {
    EXPECT_FALSE(is_on(booted("lethe_2.efi", true, "lethe_2+2-1.efi")));
    EXPECT_FALSE(is_on("linux.efi"));
}

TEST_F(Trial, IsNotOnInABootThatNobodyCounted) {
    counted_by_somebody();
    EXPECT_FALSE(is_on(booted("lethe_2+3.efi", false)));
    EXPECT_FALSE(is_on(booted("lethe_2+3.efi", false, "LETHE_2+3.EFI")));
    std::filesystem::remove(folder / "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
    EXPECT_FALSE(on_trial(folder.path(), fail(ErrorKind::wrong_state, "no UKI")).value());
}

// A read-only file, which the boot loader cannot rename.
TEST_F(Trial, IsOnInABootThatWasCountedAfterTheBootLoader) { EXPECT_TRUE(is_on(booted("lethe_2+2-1.efi", false, "lethe_2+3.efi"))); }

TEST_F(Trial, OfAnImageFromTheNetworkIsNotOn) { EXPECT_FALSE(is_on(BootedImage{.secure_boot = false, .uki = {}, .loader = {}})); }

TEST_F(Trial, InItsLastTryIsOnWhenThereIsAReleaseToFallBackTo) {
    EXPECT_FALSE(is_on("lethe_2+0-3.efi"));
    booted("lethe_1+0-3.efi");
    booted("notes.efi");
    EXPECT_FALSE(is_on("lethe_2+0-3.efi"));
    booted("lethe_1.efi");
    EXPECT_TRUE(is_on("lethe_2+0-3.efi"));
}

TEST_F(Trial, OfAnImageThatIsNotFoundIsAnError) {
    counted_by_somebody();
    EXPECT_EQ(on_trial(folder.path(), fail(ErrorKind::io, "on no ESP")).error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace lethe
