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
    ASSERT_TRUE(note.write("1.2", std::string(100, 'x')));
    ASSERT_TRUE(note.write("1.3", "relay a: no circuit"));
    EXPECT_EQ(text(), "1.3\nrelay a: no circuit\n");
    ASSERT_TRUE(note.read());
    EXPECT_EQ(note.read()->version, "1.3");
    EXPECT_EQ(note.read()->reason, "relay a: no circuit");
    ASSERT_TRUE(note.remove());
    ASSERT_TRUE(note.remove());
    EXPECT_FALSE(note.read());
}

TEST_F(LastUpdateNote, HasTwoLinesAndOneKibibyteAtMost) {
    ASSERT_TRUE(note.write("1\n2", "a\nb" + std::string(2000, 'x')));
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

TEST_F(LastUpdateNote, CannotDisturbATerminal) {
    ASSERT_TRUE(replace_file(file, as_octets("1\x1b\n\x1b[2J\n"), 0640));
    EXPECT_EQ(note.read()->version, "1 ");
    EXPECT_EQ(note.read()->reason, " [2J");
}

TEST_F(LastUpdateNote, ThatCannotBeWrittenSaysSo) {
    EXPECT_EQ(LastUpdate(folder / "none/last-update").write("1", "x").error().kind, ErrorKind::not_found);
    std::filesystem::create_directory(file);
    EXPECT_EQ(note.write("1", "x").error().kind, ErrorKind::io);
}

}  // namespace
}  // namespace lethe
