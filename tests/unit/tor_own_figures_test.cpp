#include "tor/own_figures.hpp"

#include <algorithm>

#include "tor_keys.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 15h;
const std::string fingerprint = "00112233445566778899aabbccddeeff00112233";
const std::string identity = "ABEiM0RVZneImaq7zN3u/wARIjM";
const std::string other_identity = "BBEiM0RVZneImaq7zN3u/wARIjM";

std::string entry_of(std::string_view relay, std::string_view flags = "Fast Guard HSDir Running Stable V2Dir Valid") {
    return std::format(
        "r alice {} AAAAAAAAAAAAAAAAAAAAAAAAAAA 2038-01-01 00:00:00 192.0.2.1 9001 0\na [2001:db8::1]:9001\ns {}\nw Bandwidth=5120\np "
        "reject 1-65535\n",
        relay, flags);
}

Result<RelayStanding> standing_of(const OwnAnswers& answers) { return own_standing("alice", fingerprint, answers, now); }

TEST(OwnStanding, IsFlagsBandwidthAndUptime) {
    const std::string entry = entry_of(identity);
    const auto standing = standing_of({entry, "864000", "2026-11-22 14:00:00"});
    ASSERT_TRUE(is_success(standing));
    EXPECT_EQ(*standing, (RelayStanding{.name = "alice",
                                        .flags = {{"Fast", "Guard", "HSDir", "Running", "Stable", "V2Dir", "Valid"}},
                                        .run = std::chrono::days(10),
                                        .octets_per_second = 5'120'000}));
    std::string upper = fingerprint;
    std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    EXPECT_TRUE(is_success(own_standing("alice", upper, {entry, "1", "2026-11-22 14:00:00"}, now)));
}

TEST(OwnStanding, TakesLinesThatEndWithCarriageReturns) {
    std::string entry = entry_of(identity, "Running");
    for (std::size_t at = 0; (at = entry.find('\n', at)) != entry.npos; at += 2) entry.insert(at, "\r");
    const auto standing = standing_of({entry, "5\r\n", "2026-11-22 14:00:00\r\n"});
    ASSERT_TRUE(is_success(standing));
    EXPECT_EQ(standing->flags, std::vector<std::string>{"Running"});
    EXPECT_EQ(standing->run, 5s);
}

TEST(OwnStanding, OutsideTheConsensusHasNoFlags) {
    EXPECT_EQ(*standing_of({"", "60", "2026-11-22 14:00:00"}),
              (RelayStanding{.name = "alice", .flags = std::vector<std::string>{}, .run = 60s}));
}

TEST(OwnStanding, WithoutAConsensusOrWithAnOldOneHasUnknownFlags) {
    const std::string entry = entry_of(identity);
    EXPECT_EQ(*standing_of({}), RelayStanding{.name = "alice"});
    EXPECT_EQ(standing_of({{}, "60", "2026-11-22 14:00:00"})->flags, std::nullopt);
    EXPECT_EQ(standing_of({"", "60", ""})->flags, std::nullopt);
    EXPECT_EQ(standing_of({entry, "60", ""})->flags, std::nullopt);
    EXPECT_EQ(standing_of({entry, "60", "2026-11-21 14:59:59"})->flags, std::nullopt);
    EXPECT_NE(standing_of({entry, "60", "2026-11-21 15:00:00"})->flags, std::nullopt);
}

TEST(OwnStanding, OfAnswersThatAreNotTorsIsCorrupt) {
    const std::string good = entry_of(identity), valid = "2026-11-22 14:00:00";
    EXPECT_TRUE(is_error(standing_of({entry_of(other_identity), "60", valid}), ErrorKind::corrupt, "not of this relay"));
    EXPECT_TRUE(is_error(standing_of({"r alice\n", "60", valid}), ErrorKind::corrupt, "not of this relay"));
    EXPECT_TRUE(is_error(standing_of({"s Running\n", "60", valid}), ErrorKind::corrupt, "no relay or no flags"));
    EXPECT_TRUE(is_error(standing_of({good.substr(0, good.find("s Fast")), "60", valid}), ErrorKind::corrupt, "no relay or no flags"));
    EXPECT_TRUE(is_error(standing_of({good + "w Bandwidth=x\n", "60", valid}), ErrorKind::corrupt, "bandwidth"));
    EXPECT_TRUE(is_error(standing_of({good, "-1", valid}), ErrorKind::corrupt, "uptime"));
    EXPECT_TRUE(is_error(standing_of({good, "60", "yesterday"}), ErrorKind::corrupt, "consensus is valid"));
    EXPECT_TRUE(is_error(own_standing("alice", "0", {good, "60", valid}, now), ErrorKind::corrupt, ""));
}

std::string consensus_of(std::initializer_list<std::string_view> versions) {
    std::string text = "network-status-version 3\nr plain x\ns Running\nv Tor 0.4.9.15\n";
    for (const auto version : versions) text += std::format("r dirauth x\ns Authority Running\n{}w Bandwidth=20\n", version);
    return text + "directory-footer\n";
}

TEST(AuthoritiesLetHsdirOutliveRestarts, WhenMostOfThemRunANewTor) {
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Tor 0.4.9.15\n", "v Tor 0.4.9.15\r\n", "v Tor 0.4.9.14\n"})), true);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Tor 0.4.9.15-dev\n", "v Tor 0.5.0.1-alpha\n", ""})), true);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Tor 1.0.0.0\n", "v Tor 0.4.9.14\n"})), false);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Tor 0.4.9.15\n", "", ""})), false);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Tor x\n"})), false);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Tor 0.4.9\n"})), false);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({"v Arti 9.0.0\n"})), false);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(consensus_of({})), std::nullopt);
    EXPECT_EQ(authorities_let_hsdir_outlive_restarts(""), std::nullopt);
}

}  // namespace
}  // namespace lethe
