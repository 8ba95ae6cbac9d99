#include "relay/restored_state.hpp"

#include "state_machine.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

// What lethe-stated and tor have between them.
struct TakeOver : testing::Test {
    TemporaryFolder folder;
    StateFolders folders{folder / "restored/a", folder / "nothing/a", folder / "data", folder / "keys"};

    TakeOver() {
        for (const char* name : {"restored/a", "nothing", "data", "keys"}) fs::create_directories(folder / name);
    }
    void lay_out(std::uint64_t bandwidth, std::chrono::sys_seconds when = some_day, const std::string& prefix = "") {
        for (const auto& [name, octets] : state_files(state_of(bandwidth, when)))
            std::ofstream(folders.laid_out / (prefix + name), std::ios::binary) << as_text(octets.expose());
    }
    std::string state() { return std::string(as_text(read_file(folders.data / "state", 1 << 20).value_or(Octets{}))); }
};

TEST_F(TakeOver, PutsStateAndOnionKeysWhereTorFindsThem) {
    lay_out(1 << 20);
    EXPECT_EQ(take_over_state(folders, true).value().written, std::optional(some_day));
    EXPECT_EQ(state(), state_of(1 << 20));
    for (const std::string& name : {key_file::onion, key_file::onion_ntor}) {
        EXPECT_EQ(as_text(*read_file(folders.keys / name, 1 << 20)), as_text(alice().files.at(name).expose()));
        EXPECT_EQ(fs::status(folders.keys / name).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    }
    EXPECT_TRUE(fs::is_empty(folders.laid_out));
}

TEST_F(TakeOver, LeavesANewerStateOfTorsAlone) {
    lay_out(1 << 20);
    std::ofstream(folders.data / "state") << state_of(2 << 20, some_day + 1h);
    EXPECT_EQ(take_over_state(folders, false).value().written, std::optional(some_day + 1h));
    EXPECT_EQ(state(), state_of(2 << 20, some_day + 1h));
    EXPECT_TRUE(fs::is_empty(folders.laid_out));
    EXPECT_TRUE(fs::is_empty(folders.keys));
}

constexpr std::chrono::sys_seconds wrong_day = std::chrono::sys_days(std::chrono::year(2036) / 2 / 7);

TEST_F(TakeOver, GivesTheStateOfBeforeInThePlaceOfOneFromTheFuture) {
    lay_out(2 << 20, wrong_day);
    lay_out(1 << 20, some_day, "earlier.");
    // Before a time server has set the clock nobody knows which of the two is wrong.
    EXPECT_EQ(take_over_state(folders, true).value().written, std::optional(wrong_day));
    EXPECT_EQ(state(), state_of(2 << 20, wrong_day));
    const auto taken = take_over_state(folders, true, some_day + 5h);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->written, std::optional(some_day));
    EXPECT_THAT(taken->loss, HasSubstr("2036-02-07"));
    EXPECT_THAT(taken->loss, HasSubstr("given that of 2026-05-01 12:00"));
    EXPECT_EQ(state(), state_of(1 << 20));
    EXPECT_TRUE(fs::exists(folders.keys / key_file::onion_ntor));
}

TEST_F(TakeOver, BeginsWithoutStateWhenThereIsOneFromTheFutureAlone) {
    lay_out(2 << 20, wrong_day);
    lay_out(3 << 20, wrong_day - 24h, "earlier.");
    const auto taken = take_over_state(folders, false, some_day);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->written, std::nullopt);
    EXPECT_THAT(taken->loss, HasSubstr("begins without state"));
    EXPECT_FALSE(fs::exists(folders.data / "state"));
    EXPECT_EQ(take_over_state(folders, false, some_day)->loss, "") << "it is said once";
}

TEST_F(TakeOver, RequiredStateFromTheFutureIsRefused) {
    lay_out(2 << 20, wrong_day);
    const auto refused = take_over_state(folders, true, some_day);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("RequireState=yes, and its newest state"));
}

// The clock was behind in the boot before: what was written then is no newer.
TEST_F(TakeOver, GivesTheLaterOfTwoStatesThatAreNotFromTheFuture) {
    lay_out(2 << 20, some_day - 24h * 2000);
    lay_out(1 << 20, some_day, "earlier.");
    EXPECT_EQ(take_over_state(folders, true, some_day + 1h)->written, std::optional(some_day));
    EXPECT_EQ(state(), state_of(1 << 20));
}

TEST_F(TakeOver, KeepsTheNewestAfterAMachineWasOff) {
    lay_out(2 << 20, some_day + 24h * 60);
    lay_out(1 << 20, some_day, "earlier.");
    for (int start = 0; start < 2; ++start) {
        const auto taken = take_over_state(folders, true, some_day + 24h * 60 - 30min);
        ASSERT_TRUE(taken);
        EXPECT_EQ(taken->loss, "");
        EXPECT_EQ(state(), state_of(2 << 20, some_day + 24h * 60));
    }
}

TEST_F(TakeOver, BeginsAgainWhereAnEarlierOneDied) {
    lay_out(1 << 20);
    std::ofstream(folders.keys / (key_file::onion_ntor + ".new")) << "half";
    std::ofstream(folders.data / "state.new") << "half";
    EXPECT_EQ(take_over_state(folders, false).value().written, std::optional(some_day));
    EXPECT_EQ(state(), state_of(1 << 20));
}

TEST_F(TakeOver, StartsWithoutStateUnlessItIsRequired) {
    std::ofstream(folders.reason) << "its newest snapshot is 3, and the TPM has counted 5\n";
    EXPECT_EQ(take_over_state(folders, false).value().written, std::nullopt);
    const auto refused = take_over_state(folders, true);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(refused.error().message, HasSubstr("counted 5"));
}

TEST_F(TakeOver, ANewRelayHasNoStateToRequire) {
    std::ofstream(folders.reason) << "\n";
    EXPECT_TRUE(take_over_state(folders, true));
}

TEST_F(TakeOver, RequiredStateOfWhichNobodyHasSpokenIsRefused) {
    const auto refused = take_over_state(folders, true);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("lethe-stated"));
}

}  // namespace
}  // namespace lethe
