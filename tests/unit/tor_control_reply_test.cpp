#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tor/control_port_place.hpp"
#include "tor/control_port_reply.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

auto take(std::string_view text) { return take_control_reply(as_octets(text)); }

TEST(ControlReply, OfOneLineLeavesWhatFollowsIt) {
    const auto taken = take("250 OK\r\n650 BW");
    ASSERT_TRUE(taken && *taken);
    EXPECT_EQ((*taken)->reply.status, 250u);
    EXPECT_EQ((*taken)->reply.lines.front().text, "OK");
    EXPECT_EQ((*taken)->size_octets, 8u);
}

TEST(ControlReply, IsNotTakenBeforeItsEndHasCome) {
    const std::string whole = "250-a=1\r\n250+b=\r\nx\r\n.\r\n250 OK\r\n";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto taken = take(whole.substr(0, size));
        ASSERT_TRUE(taken) << size;
        EXPECT_FALSE(*taken) << size;
    }
    EXPECT_TRUE(*take(whole));
}

TEST(ControlReply, HasValuesOfOneLineAndOfSeveral) {
    const auto taken = take("250-a=1\r\n250+ns/id/X=\r\nr name\r\n..dot\r\ns Fast Running\r\n.\r\n250-none=\r\n250 OK\r\n");
    ASSERT_TRUE(taken && *taken);
    const auto values = values_of((*taken)->reply);
    ASSERT_TRUE(values) << values.error().message;
    EXPECT_THAT(*values, ElementsAre(Pair("a", "1"), Pair("none", ""), Pair("ns/id/X", "r name\n.dot\ns Fast Running\n")));
}

TEST(ControlReply, ThatRefusesIsWrongStateWithTorsWords) {
    const auto values = values_of((*take("552 Unrecognized key \"x\x1b\"\r\n"))->reply);
    ASSERT_FALSE(values);
    EXPECT_EQ(values.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(values.error().message, HasSubstr("Unrecognized key \"x?\""));
}

TEST(ControlReply, ThatIsNoneIsCorrupt) {
    for (const char* text : {"\r\n", "OK\r\n", "250\r\n", "250=OK\r\n", "050 OK\r\n", "2x0 OK\r\n", "250-a=1\r\n551 no\r\n"}) {
        const auto taken = take(text);
        ASSERT_FALSE(taken) << text;
        EXPECT_EQ(taken.error().kind, ErrorKind::corrupt);
    }
    EXPECT_EQ(values_of((*take("250-a\r\n250 OK\r\n"))->reply).error().kind, ErrorKind::corrupt);
}

TEST(ControlReply, ThatDoesNotEndIsCorruptAtTheLimit) {
    EXPECT_FALSE(*take(std::string(control_reply_limit_octets - 1, '2')));
    EXPECT_EQ(take(std::string(control_reply_limit_octets, '2')).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(take("250+a=\r\n" + std::string(control_reply_limit_octets, 'x')).error().kind, ErrorKind::corrupt);
}

TEST(ControlWord, IsFoundPlainAndInQuotes) {
    const auto line = R"(AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/a \"b\\\303\244 X=1/c" LAST=2)";
    EXPECT_EQ(control_word(line, "METHODS"), "COOKIE,SAFECOOKIE");
    EXPECT_EQ(control_word(line, "COOKIEFILE"), "/a \"b\\\303\244 X=1/c");
    EXPECT_EQ(control_word(line, "LAST"), "2");
    for (const char* absent : {"X", "AUTH", "COOKIE", "methods", ""}) EXPECT_FALSE(control_word(line, absent)) << absent;
    EXPECT_EQ(control_word("A=\"not ended\\", "A"), "not ended\\");
}

struct ControlPlace : testing::Test {
    static std::string of(std::string_view torrc) {
        const auto address = control_address(torrc, "/run/default");
        return address ? to_text(*address) : "none: " + address.error().message;
    }
};

TEST_F(ControlPlace, IsTheDefaultUnlessTheTorrcTakesItAway) {
    for (const char* torrc : {"", "Nickname x\n", "ControlPort 9051\n", "+ControlSocket /run/other\n", "# ControlSocket 0\n"})
        EXPECT_EQ(of(torrc), "/run/default") << torrc;
}

TEST_F(ControlPlace, IsWhereTheTorrcPutsIt) {
    EXPECT_EQ(of("controlsocket /run/mine GroupWritable\n"), "/run/mine");
    EXPECT_EQ(of("ControlSocket unix:\"/run/my own\" WorldWritable\n"), "/run/my own");
    EXPECT_EQ(of("ControlSocket 0\nControlSocket /run/mine\n"), "/run/mine");
    EXPECT_EQ(of("/ControlSocket\nControlPort unix:/run/port\n"), "/run/port");
    EXPECT_EQ(of("ControlSocket 0\nControlPort 9051\n"), "127.0.0.1:9051");
    EXPECT_EQ(of("ControlSocket 0\nControlPort 127.0.0.1:9052 # x\n"), "127.0.0.1:9052");
}

TEST_F(ControlPlace, ThatNobodyCanTellIsAnError) {
    for (const char* torrc : {"ControlSocket 0\n", "ControlSocket 0\nControlPort auto\n", "ControlSocket 0\nControlPort 0\n",
                              "ControlSocket 0\nControlPort 192.0.2.1:9051\n", "/ControlSocket\n", "ControlSocket relative\n"})
        EXPECT_THAT(of(torrc), HasSubstr("leave ControlSocket out")) << torrc;
    EXPECT_EQ(control_address("ControlSocket \"x\n", "/run/default").error().kind, ErrorKind::invalid_argument);
}

}  // namespace
}  // namespace lethe
