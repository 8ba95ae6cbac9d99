#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"
#include "lethectl/plan_text.hpp"
#include "lethectl/progress.hpp"
#include "lethectl/update_properties.hpp"

namespace lethe::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t now = 1'763'763'300;
constexpr std::uint64_t day = 86400;

Octets digest(std::uint8_t octet) { return Octets(32, octet); }

Plan plan() {
    return {.running = "1.2",
            .staged = "2.0",
            .pcrs = {{4, digest(0x11), {digest(0x22), digest(0x22)}, "the UKI lethe_2.0+3.efi", true},
                     {7, digest(0x33), {digest(0x33)}, "", true},
                     {11, digest(0x44), {digest(0x55), digest(0x66)}, "its sections", true},
                     {12, digest(0), {}, "", false}},
            .relays = {{.name = "a",
                        .mtbf = 12 * day,
                        .mtbf_after = 6 * day + day / 2,
                        .wfu = 0.99876,
                        .wfu_after = 0.979999,
                        .time_known = 40 * day,
                        .flags = {"Fast", "Guard"},
                        .at_risk = {"Guard"},
                        .why = "its WFU falls below 98 %"},
                       {.name = "b", .flags = {}, .at_risk = {}, .why = ""}},
            .downtime = 45,
            .advised = now + 5 * 3600,
            .advice = "the quiet window"};
}

TEST(PlanText, HasEachPcrThenTheCostOfEachRelayThenTheAdvice) {
    EXPECT_EQ(plan_text(plan(), now),
              "From 1.2 to 2.0\n"
              "\n"
              "PCR  PRESENT           PREDICTED         CHANGED BY\n"
              "4    1111111111111111  2222222222222222  the UKI lethe_2.0+3.efi\n"
              "7    3333333333333333  3333333333333333  nothing\n"
              "11   4444444444444444  5555555555555555  its sections\n"
              "                       6666666666666666\n"
              "12   0000000000000000  -                 nothing                  (not in the policy)\n"
              "\n"
              "RELAY  MTBF                 WFU                 TIME KNOWN  FLAGS        AT RISK\n"
              "a      12 days -> 6.5 days  99.87 % -> 97.99 %  40 days     Fast, Guard  Guard\n"
              "b      -                    -                   -           -            -\n"
              "  a: its WFU falls below 98 %\n"
              "Reboot: 45 seconds without tor; advised 2025-11-22 03:15 UTC, in 5 hours: the quiet window\n");
}

TEST(PlanText, WithoutRelaysOrAdviceLeavesThemOut) {
    auto bare = plan();
    bare.relays.clear();
    bare.advised = 0;
    bare.advice.clear();
    EXPECT_THAT(plan_text(bare, now), Not(HasSubstr("RELAY")));
    EXPECT_THAT(plan_text(bare, now), testing::EndsWith("\n\nReboot: 45 seconds without tor; advised now\n"));
}

TEST(PlanJson, HasWholeDigestsAndNumbersAsTheyAre) {
    const auto json = plan_json(plan());
    EXPECT_EQ(json["running"], "1.2");
    EXPECT_EQ(json["staged"], "2.0");
    EXPECT_EQ(json["pcrs"][2]["predicted"], nlohmann::ordered_json::array({to_hex(digest(0x55)), to_hex(digest(0x66))}));
    EXPECT_EQ(json["pcrs"][3], nlohmann::ordered_json::parse(R"({"pcr": 12, "present": ")" + to_hex(digest(0)) +
                                                             R"(", "predicted": [], "event": "", "required": false})"));
    EXPECT_EQ(json["relays"][0], nlohmann::ordered_json::parse(R"({"name": "a", "mtbf": 1036800, "mtbf_after": 561600, "wfu": 0.99876,
        "wfu_after": 0.979999, "time_known": 3456000, "flags": ["Fast", "Guard"], "at_risk": ["Guard"], "why": "its WFU falls below 98 %"})"));
    EXPECT_EQ(json["relays"][1]["name"], "b");
    for (const char* unknown : {"mtbf", "mtbf_after", "wfu", "wfu_after", "time_known"}) EXPECT_EQ(json["relays"][1][unknown], nullptr);
    EXPECT_EQ(json["downtime"], 45);
    EXPECT_EQ(json["advised"], now + 5 * 3600);
    EXPECT_EQ(json["advice"], "the quiet window");
}

TEST(PlanProperties, AreReadByTheirNames) {
    using Details = std::map<std::string, sdbus::Variant>;
    using Row = sdbus::Struct<std::uint32_t, Octets, std::vector<Octets>, std::string, bool>;
    const Details relay{{"name", sdbus::Variant{"a"}},
                        {"mtbf", sdbus::Variant{std::uint64_t{10}}},
                        {"mtbf-after", sdbus::Variant{std::uint64_t{5}}},
                        {"wfu", sdbus::Variant{0.5}},
                        {"wfu-after", sdbus::Variant{0.25}},
                        {"time-known", sdbus::Variant{std::uint64_t{20}}},
                        {"flags", sdbus::Variant{std::vector<std::string>{"Fast", "Stable"}}},
                        {"at-risk", sdbus::Variant{std::vector<std::string>{"Stable"}}},
                        {"why", sdbus::Variant{"weekly reboots"}}};
    const Details details{
        {"running", sdbus::Variant{"1"}},
        {"staged", sdbus::Variant{"2"}},
        {"pcrs", sdbus::Variant{std::vector<Row>{Row{std::uint32_t{4}, Octets{1}, std::vector<Octets>{{2}, {3}}, "the UKI", true}}}},
        {"relays", sdbus::Variant{std::vector<Details>{relay}}},
        {"downtime", sdbus::Variant{std::uint64_t{45}}},
        {"advised", sdbus::Variant{now}},
        {"advice", sdbus::Variant{"soon"}}};
    const auto read = to_plan(details);
    ASSERT_TRUE(read);
    EXPECT_EQ(plan_json(*read), nlohmann::ordered_json::parse(R"({"running": "1", "staged": "2",
        "pcrs": [{"pcr": 4, "present": "01", "predicted": ["02", "03"], "event": "the UKI", "required": true}],
        "relays": [{"name": "a", "mtbf": 10, "mtbf_after": 5, "wfu": 0.5, "wfu_after": 0.25, "time_known": 20, "flags": ["Fast", "Stable"],
                    "at_risk": ["Stable"], "why": "weekly reboots"}],
        "downtime": 45, "advised": 1763763300, "advice": "soon"})"));
    EXPECT_FALSE(to_plan({}));
}

TEST(PlanProperties, ThatAreLeftOutAreNotKnown) {
    const std::map<std::string, sdbus::Variant> relay{{"name", sdbus::Variant{"a"}}};
    const auto read = to_plan({{"relays", sdbus::Variant{std::vector{relay}}}});
    ASSERT_TRUE(read && read->relays.size() == 1);
    EXPECT_FALSE(read->relays[0].mtbf);
    EXPECT_FALSE(read->relays[0].wfu_after);
    EXPECT_FALSE(read->relays[0].time_known);
}

TEST(Durations, AreInWordsAndNeverLongerThanTheTruth) {
    EXPECT_EQ(duration_text(0), "0 seconds");
    EXPECT_EQ(duration_text(1), "1 second");
    EXPECT_EQ(duration_text(119), "1 minute");
    EXPECT_EQ(duration_text(3599), "59 minutes");
    EXPECT_EQ(duration_text(2 * day - 1), "47 hours");
    EXPECT_EQ(duration_text(2 * day), "2 days");
    EXPECT_EQ(duration_text(5 * day - 1), "4.9 days");
    EXPECT_EQ(duration_text(10 * day), "10 days");
    EXPECT_EQ(duration_text(12 * day - 1), "11 days");
}

TEST(Moments, SayWhenAndHowLongThatIs) {
    EXPECT_EQ(moment_text(now + 60, now), "2025-11-21 22:16 UTC, in 1 minute");
    EXPECT_EQ(moment_text(now, now), "now");
    EXPECT_EQ(moment_text(0, now), "now");
}

TEST(Lists, AreSeparatedByCommas) {
    EXPECT_EQ(list_text({"a", "b"}), "a, b");
    EXPECT_EQ(list_text({}), "-");
}

TEST(Bars, ShowThePartThatIsDoneAndTheStep) {
    EXPECT_EQ(bar_text("checks", 0, 80), "[........................]   0 %  checks");
    EXPECT_EQ(bar_text("writes", 50, 80), "[############............]  50 %  writes");
    EXPECT_EQ(bar_text("ends", 1000, 80), "[########################] 100 %  ends");
}

TEST(Bars, AreCutBetweenCodePoints) {
    EXPECT_EQ(bar_text("äöü", 0, 36), "[........................]   0 %  äö");
    EXPECT_EQ(bar_text("äöü", 0, 37), "[........................]   0 %  äöü");
    EXPECT_EQ(bar_text("writes", 0, 0), "");
}

}  // namespace
}  // namespace lethe::ctl
