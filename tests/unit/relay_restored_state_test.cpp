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
    void lay_out(std::uint64_t bandwidth) {
        for (const auto& [name, octets] : state_files(state_of(bandwidth)))
            std::ofstream(folders.laid_out / name, std::ios::binary) << as_text(octets.expose());
    }
    std::string state() { return std::string(as_text(read_file(folders.data / "state", 1 << 20).value_or(Octets{}))); }
};

TEST_F(TakeOver, PutsStateAndOnionKeysWhereTorFindsThem) {
    lay_out(1 << 20);
    EXPECT_EQ(take_over_state(folders, true).value(), std::optional(some_day));
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
    EXPECT_EQ(take_over_state(folders, false).value(), std::optional(some_day + 1h));
    EXPECT_EQ(state(), state_of(2 << 20, some_day + 1h));
    EXPECT_TRUE(fs::is_empty(folders.laid_out));
    EXPECT_TRUE(fs::is_empty(folders.keys));
}

TEST_F(TakeOver, BeginsAgainWhereAnEarlierOneDied) {
    lay_out(1 << 20);
    std::ofstream(folders.keys / (key_file::onion_ntor + ".new")) << "half";
    std::ofstream(folders.data / "state.new") << "half";
    EXPECT_EQ(take_over_state(folders, false).value(), std::optional(some_day));
    EXPECT_EQ(state(), state_of(1 << 20));
}

TEST_F(TakeOver, StartsWithoutStateUnlessItIsRequired) {
    std::ofstream(folders.reason) << "its newest snapshot is 3, and the TPM has counted 5\n";
    EXPECT_EQ(take_over_state(folders, false).value(), std::optional<std::chrono::sys_seconds>());
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
