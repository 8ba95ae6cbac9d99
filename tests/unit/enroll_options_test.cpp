#include "enroll/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"
#include "vault/configured_relays.hpp"

namespace lethe {
namespace {

Result<EnrolmentOptions> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "lethe-enroll");
    return parse_enrolment_options(arguments);
}

TEST(EnrolmentOptions, AreReadWithTheirValuesInEitherForm) {
    const auto options = parse({"--if-needed", "--pcr", "0", "--pcr=2", "--relay=alpha", "--relay", "beta", "--store=/mnt"});
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_TRUE(options->if_needed);
    EXPECT_FALSE(options->request.discard);
    EXPECT_THAT(options->request.extra_pcrs, testing::ElementsAre(0, 2));
    EXPECT_THAT(options->request.relays, testing::ElementsAre("alpha", "beta"));
    EXPECT_EQ(options->store, "/mnt");
}

TEST(EnrolmentOptions, AreForThisStoreWithoutDiscardUnlessSaid) {
    const auto options = parse({});
    EXPECT_FALSE(options->if_needed || options->request.discard || options->help);
    EXPECT_EQ(options->store, "/var/lib/lethe");
    EXPECT_TRUE(parse({"--discard"})->request.discard);
    EXPECT_TRUE(parse({"--help"})->help);
    EXPECT_FALSE(options->request.insecure_boot);
    EXPECT_TRUE(parse({"--insecure-boot"})->request.insecure_boot);
    EXPECT_TRUE(parse({"--recover=a", "--fingerprint=b", "--insecure-boot"})->request.insecure_boot);
}

TEST(EnrolmentOptions, WrongOnesAreRefused) {
    const std::vector<std::vector<const char*>> wrong{{"--pcr"},         {"--pcr=x"},       {"--pcr=9"},
                                                      {"--pcr=16"},      {"--pcr=-1"},      {"--pcr=4 "},
                                                      {"--pcr="},        {"--discard=yes"}, {"--insecure-boot=yes"},
                                                      {"enroll"},        {"--relays=a"},    {"--if-needed", "--discard"},
                                                      {"--generation=1"}};
    for (const auto& arguments : wrong) {
        const auto options = parse(arguments);
        ASSERT_FALSE(options) << arguments.front();
        EXPECT_EQ(options.error().kind, ErrorKind::invalid_argument);
        EXPECT_EQ(exit_status(options.error()), exit_usage);
    }
}

TEST(EnrolmentOptions, AGenerationGoesWithARecoveryAndIsANumber) {
    EXPECT_EQ(parse({"--recover=a", "--fingerprint=b"})->generation, std::nullopt);
    EXPECT_EQ(parse({"--recover=a", "--fingerprint=b", "--generation", "7"})->generation, 7U);
    EXPECT_EQ(parse({"--recover=a", "--fingerprint=b", "--generation=0"})->generation, 0U);
    for (const char* wrong : {"--generation=", "--generation=-1", "--generation=7x", "--generation=18446744073709551616"})
        EXPECT_EQ(parse({"--recover=a", "--fingerprint=b", wrong}).error().kind, ErrorKind::invalid_argument) << wrong;
}

TEST(EnrolmentOptions, RefusalsAndFailuresHaveExitStatusesOfTheirOwn) {
    EXPECT_EQ(exit_status({ErrorKind::wrong_state, ""}), exit_refused);
    EXPECT_EQ(exit_status({ErrorKind::rollback, ""}), exit_refused);
    EXPECT_EQ(exit_status({ErrorKind::already_exists, ""}), exit_enrolled_already);
    EXPECT_EQ(exit_status({ErrorKind::policy_mismatch, ""}), exit_failed);
}

TEST(ConfiguredRelays, AreThoseWithATorrcAmongTheCredentials) {
    TemporaryFolder folder, image;
    const std::array<std::filesystem::path, 2> folders{folder.path(), image.path()};
    for (const char* name : {"lethe.torrc.beta", "lethe.torrc.gamma"}) std::ofstream(image / name);
    for (const char* name :
         {"lethe.torrc.beta", "lethe.torrc.alpha", "lethe.torrc.", "lethe.torrc.Bad", "lethe.torrc.a-b", "lethe.network", "other"})
        std::ofstream(folder / name);
    const ConfiguredRelays relays = configured_relays(folders);
    EXPECT_THAT(relays.names, testing::ElementsAre("alpha", "beta", "gamma"));
    EXPECT_THAT(relays.refused, testing::ElementsAre("", "Bad", "a-b"));
}

TEST(ConfiguredRelays, AreNoneWithoutCredentials) {
    const std::array<std::filesystem::path, 1> folders{"/nonexistent"};
    EXPECT_THAT(configured_relays(folders).names, testing::IsEmpty());
}

}  // namespace
}  // namespace lethe
