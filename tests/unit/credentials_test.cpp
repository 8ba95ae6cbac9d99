#include "credentials/credentials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>

#include "temporary_folder.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CredentialsTest : public testing::Test {
protected:
    CredentialsTest() {
        fs::create_directories(own_);
        fs::create_directories(global_);
    }
    static void put(const fs::path& file, const std::string& content) { std::ofstream(file) << content; }
    static std::string content_of(const fs::path& file) {
        std::ifstream stream(file);
        return {std::istreambuf_iterator(stream), {}};
    }
    static mode_t mode_of(const fs::path& file) {
        struct stat status{};
        return stat(file.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
    }
    Result<ImportReport> run() { return import_credentials(std::array{own_, global_}, store_); }

    TemporaryFolder folder_;
    fs::path own_ = folder_ / "extra/credentials", global_ = folder_ / "extra/global_credentials", store_ = folder_ / "credstore";
};

TEST_F(CredentialsTest, LethesCredentialsAreTakenForRootAlone) {
    put(global_ / "lethe.torrc.a.cred", "ORPort 9001\n");
    put(own_ / "lethe.torrc.b.cred", "ORPort 9002\n");
    const auto report = run();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(report->imported, ElementsAre("lethe.torrc.b", "lethe.torrc.a"));
    EXPECT_THAT(report->ignored, IsEmpty());
    EXPECT_EQ(content_of(store_ / "lethe.torrc.a"), "ORPort 9001\n");
    EXPECT_EQ(mode_of(store_), 0700u);
    EXPECT_EQ(mode_of(store_ / "lethe.torrc.a"), 0400u);
}

TEST_F(CredentialsTest, NoCredentialsAreNoFailure) {
    fs::remove_all(folder_ / "extra");
    const auto report = run();
    ASSERT_TRUE(report);
    EXPECT_THAT(report->imported, IsEmpty());
}

TEST_F(CredentialsTest, TheUkisOwnWinsOverTheGlobalOne) {
    put(global_ / "lethe.torrc.a.cred", "global");
    put(own_ / "lethe.torrc.a.cred", "own");
    const auto report = run();
    ASSERT_TRUE(report);
    EXPECT_EQ(content_of(store_ / "lethe.torrc.a"), "own");
    EXPECT_THAT(report->ignored, ElementsAre(HasSubstr("this very UKI")));
}

TEST_F(CredentialsTest, OtherNamesAreIgnored) {
    for (const auto* name : {"systemd.extra-unit.evil.service.cred", "passwd.hashed-password.root.cred", "lethe.cred", "lethe..cred",
                             "lethe.a..b.cred", "lethe.torrc.a", "lethe.a b.cred", "lethe.a\n.cred", "Lethe.torrc.a.cred", ".cred"})
        put(global_ / name, "x");
    put(global_ / ("lethe." + std::string(200, 'a') + ".cred"), "x");
    const auto report = run();
    ASSERT_TRUE(report);
    EXPECT_THAT(report->imported, IsEmpty());
    EXPECT_EQ(report->ignored.size(), 11u);
    EXPECT_TRUE(fs::is_empty(store_));
}

TEST_F(CredentialsTest, ALargestCredentialIsTakenAndALargerOneIgnored) {
    put(global_ / "lethe.fits.cred", std::string(credential_limit_octets, 'x'));
    put(global_ / "lethe.large.cred", std::string(credential_limit_octets + 1, 'x'));
    const auto report = run();
    ASSERT_TRUE(report);
    EXPECT_THAT(report->imported, ElementsAre("lethe.fits"));
    EXPECT_THAT(report->ignored, ElementsAre(HasSubstr("lethe.large.cred")));
}

TEST_F(CredentialsTest, OnlyRegularFilesAreTaken) {
    put(folder_ / "secret", "elsewhere");
    fs::create_symlink(folder_ / "secret", global_ / "lethe.link.cred");
    fs::create_directory(global_ / "lethe.folder.cred");
    ASSERT_EQ(mkfifo((global_ / "lethe.pipe.cred").c_str(), 0600), 0);
    const auto report = run();
    ASSERT_TRUE(report);
    EXPECT_THAT(report->imported, IsEmpty());
    EXPECT_EQ(report->ignored.size(), 3u);
}

TEST_F(CredentialsTest, ADestinationThatCannotBeWrittenIsAFailure) {
    put(global_ / "lethe.torrc.a.cred", "x");
    put(store_, "a file where the folder should be");
    const auto report = run();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace lethe
