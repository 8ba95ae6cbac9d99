#include "vault/configuration.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct ConfigurationFiles : testing::Test {
    TemporaryFolder folder;
    std::vector<std::filesystem::path> files{folder / "first", folder / "second"};

    Result<Configuration> read(const std::string& text) {
        std::ofstream(files[0]) << text;
        return read_configuration(files);
    }
};

TEST_F(ConfigurationFiles, NoneMeansTheDefaults) { EXPECT_EQ(*read_configuration(files), Configuration{}); }

TEST_F(ConfigurationFiles, TheFirstThatExistsCounts) {
    std::ofstream(files[1]) << "Store=tpm\n";
    EXPECT_EQ(read_configuration(files)->store, StoreChoice::tpm);
    EXPECT_EQ(read("Store=folder\n")->store, StoreChoice::folder);
}

TEST_F(ConfigurationFiles, CommentsBlanksAndSpacesAreLetPass) {
    EXPECT_EQ(read("# a\n; b\n\n  Store = automatic \r\nStore=tpm")->store, StoreChoice::tpm);
}

TEST_F(ConfigurationFiles, SettingsHaveTheUnitsOfTheManual) {
    using namespace std::chrono_literals;
    const auto read_back = read(
        "SnapshotInterval=90min\nSnapshotsPerDay=96\nCacheMax=8M\nRequireState=yes\nWaitForClock=no\nClockTimeout=30\n"
        "HealthNeeds=reachability\nHealthDeadline=20min\n");
    ASSERT_TRUE(read_back) << read_back.error().message;
    EXPECT_EQ(*read_back, (Configuration{.snapshot_interval = 90min,
                                         .snapshots_per_day = 96,
                                         .cache_limit_octets = 8 << 20,
                                         .require_state = true,
                                         .wait_for_clock = false,
                                         .clock_timeout = 30s,
                                         .health_needs = HealthNeeds::reachability,
                                         .configured_health_deadline = 20min}));
}

TEST_F(ConfigurationFiles, OfAConsensusWaitLongerUnlessTheySaySo) {
    using namespace std::chrono_literals;
    EXPECT_EQ(read("")->health_deadline(), 10min);
    EXPECT_EQ(read("HealthNeeds=reachability")->health_deadline(), 10min);
    EXPECT_EQ(read("HealthNeeds=consensus")->health_deadline(), 3h);
    EXPECT_EQ(read("HealthDeadline=1min\nHealthNeeds=consensus")->health_deadline(), 1min);
    for (const auto& [text, needs] : {std::pair{"identity", HealthNeeds::identity}, {"bootstrap", HealthNeeds::bootstrap}})
        EXPECT_EQ(read(std::string("HealthNeeds=") + text)->health_needs, needs) << text;
}

TEST_F(ConfigurationFiles, FingerprintsOfSeveralRelaysArePinnedEachOnce) {
    const std::string hex = "0123456789abcdefABCD0123456789abcdefABCD";
    const auto read_back = read(std::format("Fingerprint=a {}\nFingerprint = b \t{}\n", hex, std::string(40, '0')));
    ASSERT_TRUE(read_back) << read_back.error().message;
    ASSERT_EQ(read_back->fingerprints.size(), 2u);
    EXPECT_EQ(to_hex(read_back->fingerprints.at("a")), "0123456789abcdefabcd0123456789abcdefabcd");
    EXPECT_EQ(read_back->fingerprints.at("b"), PinnedFingerprint{});
    for (const std::string& wrong : {std::string("a"), "a " + hex.substr(1), "a " + hex + "0", "A " + hex, hex, "a g" + hex.substr(1),
                                     "a " + hex + "\nFingerprint=a " + hex}) {
        const auto refused = read("Fingerprint=" + wrong);
        ASSERT_FALSE(refused) << wrong;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
    }
}

TEST_F(ConfigurationFiles, AmountsOutOfRangeAreErrors) {
    for (const char* line :
         {"SnapshotInterval=59s", "SnapshotInterval=8d", "SnapshotInterval=1week", "SnapshotInterval=", "SnapshotInterval=-1h",
          "SnapshotsPerDay=3", "SnapshotsPerDay=4s", "SnapshotsPerDay=99999999999999999999", "CacheMax=16M", "CacheMax=1G",
          "RequireState=1", "WaitForClock=", "ClockTimeout=0", "ClockTimeout=18446744073709551615d", "HealthDeadline=0",
          "HealthDeadline=25h", "HealthNeeds=", "HealthNeeds=all"}) {
        const auto refused = read(line);
        ASSERT_FALSE(refused) << line;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument) << line;
        EXPECT_NE(refused.error().message.find("line 1"), std::string::npos) << refused.error().message;
    }
}

TEST_F(ConfigurationFiles, TheQuietWindowIsTwoTimesOfDay) {
    using namespace std::chrono_literals;
    const auto read_back = read("QuietWindow=23:30-01:05\nRebootStagger=5\n");
    ASSERT_TRUE(read_back) << read_back.error().message;
    EXPECT_EQ(*read_back, (Configuration{.quiet_begin = 23h + 30min, .quiet_end = 1h + 5min, .reboot_stagger_days = 5}));
    EXPECT_EQ(read("RebootStagger=0")->reboot_stagger_days, 0u);
    for (const char* line :
         {"QuietWindow=", "QuietWindow=02:00", "QuietWindow=02:00-", "QuietWindow=02:00-02:00", "QuietWindow=2:00-05:00",
          "QuietWindow=02:00-24:00", "QuietWindow=02:60-05:00", "QuietWindow=02:00 - 05:00", "QuietWindow=02:00-05:00-06:00",
          "QuietWindow=+2:00-05:00", "QuietWindow=02:-1-05:00", "RebootStagger=29", "RebootStagger=1d", "RebootStagger=-1"}) {
        const auto refused = read(line);
        ASSERT_FALSE(refused) << line;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument) << line;
    }
}

TEST_F(ConfigurationFiles, WhatIsNotUnderstoodIsAnErrorThatNamesFileAndLine) {
    for (const char* text : {"Store=tpm\nColour=red\n", "\nStore=disk\n", "\nStore\n", "\n[Store]\n", "\n=tpm\n", "\nStore=\n"}) {
        const auto refused = read(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument) << text;
        EXPECT_NE(refused.error().message.find("first: line 2"), std::string::npos) << refused.error().message;
    }
}

}  // namespace
}  // namespace lethe
