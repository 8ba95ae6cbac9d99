#include "base/printable.hpp"

#include <gtest/gtest.h>

namespace lethe {
namespace {

using namespace std::string_view_literals;

TEST(Printable, LeavesOrdinaryTextAlone) {
    for (const auto text : {""sv, "the clock says 2036-02-07; set it"sv, "\u25cf gr\u00fcn \u4e2d \U0001f9c5"sv})
        EXPECT_EQ(printable(text), text);
}

TEST(Printable, WritesOutWhatATerminalWouldObey) {
    EXPECT_EQ(printable("a\x1b[2J\x1b]0;title\x07z"), "a\\x1b[2J\\x1b]0;title\\x07z");
    EXPECT_EQ(printable("\u009b31m"), "\\x9b31m") << "an escape sequence's one-octet form";
    EXPECT_EQ(printable("\x9b"
                        "31m"),
              "\\x9b31m");
    EXPECT_EQ(printable("back\b\b\x7f"), "back\\x08\\x08\\x7f");
    EXPECT_EQ(printable("nul\0l"sv), "nul\\x00l");
}

TEST(Printable, MakesOneLineOfIt) { EXPECT_EQ(printable("one\n\u25cf  b  keys installed\r\ttwo"), "one \u25cf  b  keys installed  two"); }

TEST(Printable, WritesOutWhatTurnsALineRound) {
    EXPECT_EQ(printable("a\u202ec\u2066\u2028"), "a\\u202ec\\u2066\\u2028");
    EXPECT_EQ(printable("\ufeffx"), "\\ufeffx");
}

TEST(Printable, WritesOutOctetsThatAreNotUtf8) {
    EXPECT_EQ(printable("\xff\xc0\x9b\xe2\x82"), "\\xff\\xc0\\x9b\\xe2\\x82");
    EXPECT_EQ(printable("\xe0\x82\x9b"), "\\xe0\\x82\\x9b") << "not the shortest form";
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace lethe
