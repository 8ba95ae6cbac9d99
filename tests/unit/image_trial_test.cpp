#include "image/trial.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct Trial : testing::Test {
    TemporaryFolder folder;
    std::filesystem::path counted = folder / "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

    Trial() { std::ofstream(counted).flush(); }

    BootedImage booted(const std::string& file) {
        std::ofstream(folder / file).flush();
        return {.secure_boot = false, .uki = folder / file, .loader = {}};
    }
    bool is_on(const std::string& file) { return on_trial(folder.path(), booted(file)).value(); }
};

TEST_F(Trial, IsOnWhileTheFileHasTries) {
    EXPECT_TRUE(is_on("lethe_2+2-1.efi"));
    EXPECT_TRUE(is_on("linux+2-1.efi"));
}

TEST_F(Trial, IsOverWhenTheFileWasMarkedGood) {
    EXPECT_FALSE(is_on("lethe_2.efi"));
    EXPECT_FALSE(is_on("linux.efi"));
}

TEST_F(Trial, IsNotOnInABootThatNobodyCounted) {
    std::filesystem::remove(counted);
    EXPECT_FALSE(is_on("lethe_2+2-1.efi"));
    EXPECT_FALSE(on_trial(folder.path(), fail(ErrorKind::wrong_state, "no UKI")).value());
}

TEST_F(Trial, OfAnImageFromTheNetworkIsNotOn) {
    EXPECT_FALSE(on_trial(folder.path(), BootedImage{.secure_boot = false, .uki = {}, .loader = {}}).value());
}

TEST_F(Trial, InItsLastTryIsOnWhenThereIsAReleaseToFallBackTo) {
    EXPECT_FALSE(is_on("lethe_2+0-3.efi"));
    booted("lethe_1+0-3.efi");
    booted("notes.efi");
    EXPECT_FALSE(is_on("lethe_2+0-3.efi"));
    booted("lethe_1.efi");
    EXPECT_TRUE(is_on("lethe_2+0-3.efi"));
}

TEST_F(Trial, OfAnImageThatIsNotFoundIsAnError) {
    EXPECT_EQ(on_trial(folder.path(), fail(ErrorKind::wrong_state, "on no ESP")).error().kind, ErrorKind::wrong_state);
}

}  // namespace
}  // namespace lethe
