#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.hpp"
#include "image/last_update.hpp"
#include "temporary_folder.hpp"

namespace lethe {
namespace {

struct LastUpdateNote : testing::Test {
    TemporaryFolder folder;
    std::filesystem::path file = folder / "last-update";
    LastUpdate note{file};
    std::string text() { return std::string(as_text(read_file(file, 4096).value())); }
};

TEST_F(LastUpdateNote, HasTheVersionAndTheReasonAndReplacesTheOneBefore) {
    EXPECT_FALSE(note.read());
    ASSERT_TRUE(note.write({"1.2", std::string(100, 'x')}));
    ASSERT_TRUE(note.write({"1.3", "relay a: no circuit"}));
    EXPECT_EQ(text(), "1.3\nrelay a: no circuit\n");
    ASSERT_TRUE(note.read());
    EXPECT_EQ(note.read()->version, "1.3");
    EXPECT_EQ(note.read()->reason, "relay a: no circuit");
    ASSERT_TRUE(note.remove());
    ASSERT_TRUE(note.remove());
    EXPECT_FALSE(note.read());
}

TEST_F(LastUpdateNote, HasTwoLinesAndOneKibibyteAtMost) {
    ASSERT_TRUE(note.write({"1\n2", "a\nb" + std::string(2000, 'x')}));
    EXPECT_EQ(text().size(), 1024u);
    EXPECT_EQ(text().substr(0, 8), "1 2\na bx");
    EXPECT_EQ(std::ranges::count(text(), '\n'), 2);
}

TEST_F(LastUpdateNote, ThatIsNotWholeIsNone) {
    for (const std::string_view torn : {"", "1.2", "1.2\nreas"}) {
        ASSERT_TRUE(replace_file(file, as_octets(torn), 0640));
        EXPECT_FALSE(note.read()) << torn;
    }
    ASSERT_TRUE(replace_file(file, Octets(2000, '\n'), 0640));
    EXPECT_FALSE(note.read());
}

TEST_F(LastUpdateNote, OfATrialThatLackedTheNetworkKeepsTheCount) {
    const auto since = std::chrono::sys_seconds(std::chrono::seconds(1764486000));
    const LastUpdate::NetworkWait trial{.trials = 0, .since = {}}, counted{.trials = 2, .since = since};
    ASSERT_TRUE(note.write(note.of_trial("2", "no circuit", true)));
    EXPECT_EQ(text(), "2\nno circuit\nnetwork 0\n");
    EXPECT_EQ(note.read()->network, trial);
    ASSERT_TRUE(note.write({"2", std::string(2000, 'x'), counted}));
    EXPECT_EQ(text().size(), 1024u);
    EXPECT_EQ(note.read()->network, counted);
    ASSERT_TRUE(note.write(note.of_trial("2", "no circuit", true)));
    EXPECT_EQ(text(), "2\nno circuit\nnetwork 2\n");
    EXPECT_EQ(note.of_trial("3", "no circuit", true).network, trial) << "another release";
    EXPECT_EQ(note.of_trial("2", "tor@a.service is failed", false).network, std::nullopt);
}

TEST_F(LastUpdateNote, WithAThirdLineThatIsNoneIsOneWithoutIt) {
    for (const std::string_view third :
         {"network", "network ", "network x\n", "network -1\n", "network 1 \n", "network 1 x\n", "network 1 2 3\n", "network 1 -2\n",
          "network 99999999999\n", "network 1 9999999999999\n", "network 1 2", "net 1 2\n", "network 1\n\n"}) {
        ASSERT_TRUE(replace_file(file, as_octets("2\nno circuit\n" + std::string(third)), 0640));
        ASSERT_TRUE(note.read()) << third;
        EXPECT_EQ(note.read()->reason, "no circuit");
        EXPECT_EQ(note.read()->network, std::nullopt) << third;
    }
}

TEST_F(LastUpdateNote, CannotDisturbATerminal) {
    ASSERT_TRUE(replace_file(file, as_octets("1\x1b\n\x1b[2J\n"), 0640));
    EXPECT_EQ(note.read()->version, "1 ");
    EXPECT_EQ(note.read()->reason, " [2J");
}

TEST_F(LastUpdateNote, ThatCannotBeWrittenSaysSo) {
    EXPECT_EQ(LastUpdate(folder / "none/last-update").write({"1", "x"}).error().kind, ErrorKind::not_found);
    std::filesystem::create_directory(file);
    EXPECT_EQ(note.write({"1", "x"}).error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace lethe
