#include "lethectl/state_text.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace lethe::ctl {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t now = 1'763'763'300;

StateKeeper keeper(const std::string& state, const std::string& reason = "") {
    return {.state = state, .reason = reason, .error_name = "", .generation = 1041, .snapshots_per_day = 48, .budget_left = 17};
}
StateKeeper open_keeper() { return keeper("open"); }

RelayState restored(const std::string& name = "a") {
    return {.name = name,
            .source = "snapshot",
            .reason = "",
            .generation = 1041,
            .taken = now - 12 * 60,
            .size_octets = 8123,
            .restored_bandwidth = 3'200'000};
}

RelayState from(const std::string& source, const std::string& reason, std::uint64_t bandwidth = 0) {
    return {.name = "a", .source = source, .reason = reason, .restored_bandwidth = bandwidth};
}

TEST(StateWord, IsTheBandwidthThatWasRestored) {
    EXPECT_EQ(state_word(open_keeper(), restored()), "3.2 MB/s");
    EXPECT_EQ(state_word(open_keeper(), from("previous", "the newest is damaged", 2'000'000)), "2.0 MB/s");
    EXPECT_EQ(state_word(open_keeper(), from("minimal", "", 2'000'000)), "2.0 MB/s");
    EXPECT_EQ(state_word(open_keeper(), from("snapshot", "tor discards it")), "0 B/s");
}

TEST(StateWord, IsNewOnlyWhenNothingIsWrong) {
    EXPECT_EQ(state_word(open_keeper(), from("nothing", "")), "new");
    EXPECT_EQ(state_word(open_keeper(), from("nothing", "no slot is whole")), "lost");
    EXPECT_EQ(state_word(keeper("refused"), from("nothing", "")), "lost");
    EXPECT_EQ(state_word(keeper("shut"), from("nothing", "")), "lost");
}

TEST(StateWord, SaysThatTorHadItAlready) { EXPECT_EQ(state_word(open_keeper(), from("kept", "")), "kept"); }

TEST(StateWord, SaysWhatTheMinimalStateHasSaved) {
    EXPECT_EQ(state_word(open_keeper(), from("minimal", "the disk is gone", 2'000'000)), "lost but 2.0 MB/s");
}

TEST(StateOfARelay, NeedsAPersonWhenItWasLostOrIsNotKept) {
    EXPECT_TRUE(needs_person(open_keeper(), from("nothing", "no slot is whole")));
    EXPECT_TRUE(needs_person(open_keeper(), from("minimal", "the disk is gone", 1)));
    EXPECT_TRUE(needs_person(keeper("refused"), restored()));
    EXPECT_TRUE(needs_person(keeper("shut"), from("nothing", "")));
    EXPECT_TRUE(needs_person(keeper("unknown"), from("unknown", "")));
}

TEST(StateOfARelay, NeedsNobodyWhenItIsThereOrThereWasNone) {
    EXPECT_FALSE(needs_person(open_keeper(), restored()));
    EXPECT_FALSE(needs_person(open_keeper(), from("nothing", "")));
    EXPECT_FALSE(needs_person(open_keeper(), from("minimal", "", 1)));
    EXPECT_FALSE(needs_person(open_keeper(), from("previous", "the newest is damaged", 1)));
    EXPECT_FALSE(needs_person(open_keeper(), from("kept", "its state was not taken up")));
    EXPECT_FALSE(needs_person(open_keeper(), from("unknown", "it is new")));
}

TEST(StateOfARelay, IsUnknownWhenTheServiceIsAwayOrDoesNotSpeakOfIt) {
    const auto away = states_or_unknown(std::unexpected(Failure{exit_person, "it is away", "org.example.Away"}));
    EXPECT_EQ(away.keeper.state, "unknown");
    EXPECT_EQ(away.keeper.error_name, "org.example.Away");
    EXPECT_FALSE(away.keeper.good());
    EXPECT_EQ(state_of(away, "a").reason, "it is away");
    EXPECT_EQ(state_word(away.keeper, state_of(away, "a")), "unknown");

    const auto read = states_or_unknown(States{open_keeper(), {restored("a")}});
    EXPECT_TRUE(read.keeper.good());
    EXPECT_EQ(state_of(read, "a").source, "snapshot");
    EXPECT_EQ(state_of(read, "b").source, "unknown");
    EXPECT_THAT(state_of(read, "b").reason, HasSubstr("first writes"));
}

TEST(Sources, AreWordsAndAnUnknownOneIsItself) {
    EXPECT_EQ(source_text("snapshot"), "newest snapshot");
    EXPECT_EQ(source_text("previous"), "last but one snapshot");
    EXPECT_EQ(source_text("minimal"), "bandwidth history in the TPM");
    EXPECT_EQ(source_text("kept"), "tor's own folder");
    EXPECT_EQ(source_text("nothing"), "nothing");
    EXPECT_EQ(source_text("elsewhere"), "elsewhere");
}

TEST(StateTable, HasARelayALineThenTheBudget) {
    EXPECT_EQ(states_text({open_keeper(), {restored("a"), {.name = "b", .source = "nothing", .reason = ""}}}, now),
              "RELAY  RESTORED FROM    BANDWIDTH  SNAPSHOT  AGE     SIZE\n"
              "a      newest snapshot  3.2 MB/s   1041      12 min  8.1 KB\n"
              "b      nothing          -          -         -       -\n"
              "17 of 48 snapshots left today\n");
}

TEST(StateTable, EndsWithTheReasons) {
    const auto text = states_text({keeper("refused", "an older store was put back"), {from("nothing", "tor starts without state")}}, now);
    EXPECT_THAT(text, testing::EndsWith("  state refused: an older store was put back\n  a: tor starts without state\n"));
    const auto same =
        states_text({keeper("refused", "an older store was put back"), {from("nothing", "an older store was put back")}}, now);
    EXPECT_THAT(same, testing::EndsWith("today\n  state refused: an older store was put back\n"));
}

TEST(StateTable, SaysWhatIsWrongWhileItIsOpenAndNothingWhenNothingIs) {
    EXPECT_EQ(trouble_text(open_keeper()), "");
    EXPECT_EQ(trouble_text(keeper("open", "the disk is full")), "  state open: the disk is full\n");
    EXPECT_EQ(trouble_text(keeper("shut")), "  state shut\n");
}

TEST(StateJson, HasTheRawNumbers) {
    const auto json = states_json({open_keeper(), {restored("a"), restored("b")}});
    EXPECT_EQ(json["state"], "open");
    EXPECT_EQ(json["generation"], 1041);
    EXPECT_EQ(json["snapshots_per_day"], 48);
    EXPECT_EQ(json["budget_left"], 17);
    ASSERT_EQ(json["relays"].size(), 2u);
    EXPECT_EQ(json["relays"][1]["name"], "b");
    EXPECT_EQ(json["relays"][0]["source"], "snapshot");
    EXPECT_EQ(json["relays"][0]["taken"], now - 12 * 60);
    EXPECT_EQ(json["relays"][0]["size"], 8123);
    EXPECT_EQ(json["relays"][0]["restored_bandwidth"], 3'200'000);
    EXPECT_EQ(states_json({open_keeper(), {}})["relays"], nlohmann::ordered_json::array());
}

}  // namespace
}  // namespace lethe::ctl
