#include <algorithm>
#include <ranges>

#include "tor_state_oracle.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;

const std::chrono::sys_seconds now = wall_clock();

// What a relay that has run for some days writes.
const std::string& whole() {
    static const auto text = [] {
        const auto history = history_at(now, {1048576, 5242880, 2097152}, {86400000000, 186400000000, 96400000000});
        return state_with(now, history, history);
    }();
    return text;
}

std::string with(std::string_view lines) { return whole() + std::string(lines); }

std::string replaced(std::string_view from, std::string_view to) {
    std::string text = whole();
    const std::size_t at = text.find(from);
    if (at == std::string::npos) throw std::runtime_error("nothing to replace");
    return text.replace(at, from.size(), to);
}

std::string without(std::string_view key) {
    const std::size_t at = whole().find("\n" + std::string(key) + " ") + 1;
    return whole().substr(0, at) + whole().substr(whole().find('\n', at) + 1);
}

TEST(StateFile, SaysWhatIsInIt) {
    const auto state = parse_state(whole());
    ASSERT_TRUE(is_success(state));
    EXPECT_EQ(state->last_written, now);
    EXPECT_EQ(state->tor_version, "Tor 0.4.9.15");
    ASSERT_EQ(state->bandwidth.size(), 2u);
    const BandwidthHistory& read = state->bandwidth.at(Traffic::read);
    EXPECT_EQ(read.ends, now + 12h);
    EXPECT_EQ(read.interval, 24h);
    EXPECT_EQ(read.values, (std::vector<std::uint64_t>{86400000000, 186400000000, 96400000000}));
    EXPECT_EQ(read.maxima, (std::vector<std::uint64_t>{1048576, 5242880, 2097152}));
    EXPECT_EQ(state->bandwidth.at(Traffic::write), read);
}

TEST(StateFile, WhatTorWritesIsTakenWithAllItsHistories) {
    const auto before = wall_clock();
    const StateVerdict fresh = ask_tor_about_state("");
    ASSERT_TRUE(fresh.started);
    const auto state = parse_state(fresh.written);
    ASSERT_TRUE(is_success(state)) << fresh.written;
    EXPECT_GE(state->last_written, before);
    EXPECT_TRUE(state->tor_version.starts_with("Tor 0.4.9.")) << state->tor_version;
    ASSERT_EQ(state->bandwidth.size(), 6u);
    for (const auto& [traffic, history] : state->bandwidth) {
        EXPECT_EQ(history.interval, 24h);
        EXPECT_EQ(history.values, std::vector<std::uint64_t>{0});
        EXPECT_GE(history.ends, before + 24h);
    }
}

TEST(StateFile, AStateOfAClientHasNoHistories) {
    const auto state = parse_state("LastWritten 2026-01-02 03:04:05\nTorVersion Tor 0.4.9.15\n");
    ASSERT_TRUE(is_success(state));
    EXPECT_TRUE(state->bandwidth.empty());
    EXPECT_EQ(state_time(state->last_written), "2026-01-02 03:04:05");
}

TEST(StateFile, IsOfAYearFrom1970To9998) {
    const auto written = [](std::string_view time) { return parse_state(std::format("LastWritten {}\nTorVersion x\n", time)); };
    for (const std::string_view time : {"1970-01-01 00:00:00", "2024-02-29 23:59:59", "9998-12-31 23:59:59"})
        EXPECT_EQ(state_time(written(time).value().last_written), time);
    for (const std::string_view time :
         {"1969-12-31 23:59:59", "2026-02-29 00:00:00", "2026-01-01 24:00:00", "2026-01-01 00:60:00", "2026-01-01 00:00:60",
          "2026-00-01 00:00:00", "2026-01-00 00:00:00", "9999-01-01 00:00:00", "2026-01-01T00:00:00", "2026-01-01 00:00:00 "})
        EXPECT_TRUE(is_error(written(time), ErrorKind::corrupt, "LastWritten is not a time")) << time;
}

TEST(StateFile, TheOrderOfLinesDoesNotMatter) {
    std::string reversed;
    for (const auto line : std::views::split(whole(), '\n')) reversed = std::string(std::string_view(line)) + "\n" + reversed;
    const auto state = parse_state(reversed);
    ASSERT_TRUE(is_success(state));
    EXPECT_EQ(state->bandwidth, parse_state(whole())->bandwidth);
    EXPECT_TRUE(ask_tor_about_state(reversed).written.contains("Maxima 1048576,5242880,2097152\n"));
}

// tor takes any of these for a state file: only who wrote it can tell.
TEST(StateFile, CutShortAnywhereIsCorrupt) {
    for (std::size_t length = 0; length < whole().size(); ++length)
        ASSERT_TRUE(is_error(parse_state(whole().substr(0, length)), ErrorKind::corrupt, "")) << length;
    const StateVerdict half = ask_tor_about_state(whole().substr(0, whole().find("BWHistoryWrite")));
    EXPECT_TRUE(half.kept);
    EXPECT_EQ(half.observed, 0u);
}

TEST(StateFile, IsNotLargerThanOneMebibyte) {
    const std::string comment = "#" + std::string(state_file_limit_octets - whole().size() - 2, 'x') + "\n";
    EXPECT_TRUE(is_success(parse_state(comment + whole())));
    EXPECT_TRUE(is_error(parse_state("#" + comment + whole()), ErrorKind::corrupt, "1048577 octets, more than 1048576"));
}

TEST(StateFile, WhatTorKeepsOtherwiseIsTaken) {
    for (const std::string_view lines :
         {"Unknown x y z\n", "Unknown\n",
          "Guard in=default rsa_id=0123456789abcdef0123456789ABCDEF01234567 nickname=x listed=1 confirmed_idx=x\n",
          "Guard in=default rsa_id=0123456789abcdef0123456789ABCDEF01234567 rsa_id=x\n", "TransportProxy obfs4 127.0.0.1:99\n",
          "TotalBuildTimes 5\nCircuitBuildAbandonedCount 2\nCircuitBuildTimeBin 525 2\nCircuitBuildTimeBin 575 1\n",
          "AccountingBytesReadInInterval 5\nAccountingSecondsActive 5\nAccountingIntervalStart 2026-01-01 00:00:00\n",
          "MinutesSinceUserActivity 2147483647\n", "EntryGuard obsolete\n", "# a comment\n\n"}) {
        EXPECT_TRUE(is_success(parse_state(with(lines)))) << lines;
        const StateVerdict verdict = ask_tor_about_state(with(lines));
        EXPECT_TRUE(verdict.kept) << lines;
        EXPECT_EQ(verdict.observed, 5242880u) << lines;
        EXPECT_TRUE(is_success(parse_state(verdict.written))) << verdict.written;
        EXPECT_EQ(verdict.written.contains(lines.substr(0, lines.size() - 1)),
                  lines.starts_with("Unknown") || lines.starts_with("Transport"));
    }
}

struct Refusal {
    std::string text;
    std::string_view words;
};

TEST(StateFile, WhatTorMovesAsideOrEndsOfIsCorrupt) {
    for (const auto& [text, words] : std::initializer_list<Refusal>{
             {replaced("LastWritten 2", "LastWritten x2"), "LastWritten is not a time"},
             {replaced("BWHistoryReadEnds 2", "BWHistoryReadEnds x2"), "line 4: BWHistoryReadEnds is not a time"},
             {replaced("BWHistoryWriteInterval 8", "BWHistoryWriteInterval -8"), "BWHistoryWriteInterval is not a number"},
             {replaced("Values 86400000000", "Values 864x"), "BWHistoryReadValues is not a list of numbers"},
             {replaced("Values 86400000000", "Values 18446744073709551616"), "BWHistoryReadValues is not a list of numbers"},
             {replaced("Maxima 1048576", "Maxima x"), "BWHistoryReadMaxima is not a list of numbers"},
             {with("Unknown \"x\n"), "the value of Unknown"},
             {with("Unknown  \"a b\" c\n"), "the value of Unknown"},
             {replaced("Dormant 0", "Dormant 2"), "Dormant is not 0, 1 or auto"},
             {with("LastRotatedOnionKey 1969-01-03 10:00:00\n"), "LastRotatedOnionKey is not a time"},
             {with("MinutesSinceUserActivity 2147483648\n"), "MinutesSinceUserActivity is not a number"},
             {with("AccountingBytesReadInInterval 18446744073709551615\n"), "AccountingBytesReadInInterval is not a number of octets"},
             {with("AccountingSecondsActive 2147483648\n"), "AccountingSecondsActive is not a number"},
             {with("TransportProxies x\n"), "TransportProxies is not a key"},
             {with("BuildtimeHistogram x\n"), "BuildtimeHistogram is not a key"},
             {with("Guard rsa_id=0123456789abcdef0123456789ABCDEF01234567\n"), "Guard has no in="},
             {with("Guard in=default rsa_id=0123456789abcdef0123456789ABCDEF0123456\n"), "Guard has no in= or no rsa_id="},
             {with("Guard in=legacy rsa_id=0123456789abcdef0123456789ABCDEF01234567\n"), "Guard has no in="},
             {with("TotalBuildTimes 3\n"), "TotalBuildTimes is 3, and 0 are there"},
             {with("TotalBuildTimes 1\nCircuitBuildTimeBin 525\n"), "CircuitBuildTimeBin is not a time in milliseconds"},
             {with("TotalBuildTimes 1\nCircuitBuildTimeBin 2147483648 1\n"), "CircuitBuildTimeBin is not a time in milliseconds"},
             {with("CircuitBuildAbandonedCount 2\n"), "TotalBuildTimes is 0, and 2 are there"}}) {
        EXPECT_TRUE(is_error(parse_state(text), ErrorKind::corrupt, words));
        EXPECT_FALSE(ask_tor_about_state(text).kept) << words;
    }
}

TEST(StateFile, WhatTorReadsOtherwiseThanItStandsThereIsCorrupt) {
    using namespace std::string_literals;
    for (const auto& [text, words] : std::initializer_list<Refusal>{
             {replaced("BWHistoryReadEnds", "\0BWHistoryReadEnds"s), "line 4 has an octet that is not printable"},
             {whole() + "\0"s, "cut short"},
             {whole() + "\0\n"s, "line 15 has an octet"},
             {replaced("0.4.9.15\n", "0.4.9.15\r\n"), "line 14 has an octet"},
             {with("Unknown \xc3\xa9\n"), "line 15 has an octet"},
             {with("Unknown\tx\n"), "line 15 has an octet"},
             {with(" Unknown x\n"), "line 15 does not start with a key"},
             {with("+Unknown x\n"), "line 15 does not start with a key"},
             {with(std::string(65, 'x') + " x\n"), "line 15 does not start with a key"},
             {with("Unknown a\\\nb\n"), "line 15: the value of Unknown is indented, quoted, continued"},
             {with("Unknown  a\n"), "the value of Unknown"},
             {with("Unknown a#b\n"), "the value of Unknown"},
             {with("Unknown \"a\"\n"), "the value of Unknown"},
             {with("lastwritten 2026-01-01 00:00:00\n"), "line 15: tor takes lastwritten for LastWritten"},
             {with("LastW 2026-01-01 00:00:00\n"), "tor takes LastW for LastWritten"},
             {with("LastWritten 2026-01-01 00:00:00\n"), "line 15: LastWritten is there twice"},
             {with("BWHistoryReadInterval 900\n"), "line 15: BWHistoryReadInterval is there twice"},
             {with("LastRotatedOnionKey 2026-02-30 10:00:00\n"), "LastRotatedOnionKey is not a time"},
             {with("LastRotatedOnionKey 2026-1-3 1:0:0\n"), "LastRotatedOnionKey is not a time"},
             {with("LastRotatedOnionKey\n"), "LastRotatedOnionKey is not a time"},
             {with("AccountingBytesReadInInterval 5 KB\n"), "AccountingBytesReadInInterval is not a number of octets"},
             {replaced("Values 86400000000", "Values -1"), "BWHistoryReadValues is not a list"},
             {replaced("Values 86400000000", "Values "), "BWHistoryReadValues is not a list"},
             {replaced("Values 86400000000", "Values 1, 2"), "BWHistoryReadValues is not a list"}})
        EXPECT_TRUE(is_error(parse_state(text), ErrorKind::corrupt, words));
}

TEST(StateFile, WhatTorAlwaysWritesMustBeThere) {
    for (const std::string_view key : {"LastWritten", "TorVersion", "BWHistoryReadEnds", "BWHistoryReadInterval", "BWHistoryReadMaxima",
                                       "BWHistoryReadValues", "BWHistoryWriteValues"})
        EXPECT_TRUE(is_error(parse_state(without(key)), ErrorKind::corrupt, std::format("{} is missing", key)));
    EXPECT_TRUE(is_success(parse_state(without("Dormant"))));
}

TEST(StateFile, AHistoryThatTorCannotHaveWrittenIsCorrupt) {
    const std::string ends = "BWHistoryReadEnds " + state_time(now + 12h);
    const auto ending = [&](std::chrono::sys_seconds time) { return replaced(ends, "BWHistoryReadEnds " + state_time(time)); };
    EXPECT_TRUE(is_success(parse_state(ending(now + 25h))));
    EXPECT_TRUE(is_error(parse_state(ending(now + 25h + 1s)), ErrorKind::corrupt, "BWHistoryRead*: it ends more than one interval after"));
    EXPECT_TRUE(is_error(parse_state(replaced("Maxima 1048576,", "Maxima ")), ErrorKind::corrupt, "BWHistoryRead*: 3 values and 2 maxima"));
    EXPECT_TRUE(is_error(parse_state(replaced("Interval 86400", "Interval 0")), ErrorKind::corrupt, "intervals of 0 s"));
    EXPECT_TRUE(is_error(parse_state(replaced("Interval 86400", "Interval 86401")), ErrorKind::corrupt, "intervals of 86401 s"));
    EXPECT_TRUE(
        is_error(parse_state(with("TotalBuildTimes 10001\nCircuitBuildTimeBin 525 10001\n")), ErrorKind::corrupt, "more than 10000"));
    const auto many = [](std::size_t count) { return history_at(now, std::vector<std::uint64_t>(count, 1024)); };
    EXPECT_TRUE(is_success(parse_state(state_with(now, many(512), many(1)))));
    EXPECT_TRUE(is_error(parse_state(state_with(now, many(513), many(1))), ErrorKind::corrupt, "BWHistoryReadMaxima is not a list"));
}

}  // namespace
}  // namespace lethe
