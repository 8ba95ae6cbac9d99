#include <algorithm>

#include "tor/minimal_state.hpp"
#include "tor_state_oracle.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::sys_seconds some_day = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1) + 12h;

MinimalState minimal_at(std::chrono::sys_seconds now) {
    const auto read = history_at(now, {1048576, 5242880, 2097152}, {86400000000, 186400000000, 96400000000});
    const auto write = history_at(now - 1h, {1048576, 4194304, 0}, {86400000000, 186400000000, 0});
    return minimal_state(parse_state(state_with(now, read, write)).value()).value();
}

// With everything as long and as large as it gets.
MinimalState largest() {
    const auto history =
        history_at(some_day, std::vector<std::uint64_t>(6, rate_limit_octets), std::vector<std::uint64_t>(6, 86400 * rate_limit_octets));
    return minimal_state(parse_state(state_with(some_day, history, history)).value()).value();
}

TEST(MinimalState, ComesBackFromItsOctets) {
    for (const MinimalState& state : {minimal_at(some_day), largest()}) {
        const auto back = decode_minimal_state(encode_minimal_state(state));
        ASSERT_TRUE(is_success(back));
        EXPECT_EQ(*back, state);
    }
    EXPECT_EQ(encode_minimal_state(largest()).size(), minimal_state_limit_octets);
    EXPECT_EQ(encode_minimal_state(minimal_at(some_day)).size(), 83u);
}

TEST(MinimalState, HoldsWhatTheFormatSays) {
    const auto history = history_at(some_day, {3 * 1024}, {5ull << 32});
    const Octets octets = encode_minimal_state({some_day, history, history});
    const std::string one_history =
        "0000000069f53e80"
        "00015180"
        "01"
        "0001400000"
        "000003";
    EXPECT_EQ(to_hex(octets),
              "01"
              "0000000069f495c0" +
                  one_history + one_history);
}

TEST(MinimalState, KeepsTheLastSixIntervalsInWholeKibibytes) {
    const auto history = history_at(some_day, {7000, 6000, 5000, 4000, 3000, 2000, 1023}, {70000, 60000, 50000, 40000, 30000, 20000, 1025});
    const auto state = minimal_state(parse_state(state_with(some_day, history, history)).value());
    ASSERT_TRUE(is_success(state));
    EXPECT_EQ(state->write, state->read);
    EXPECT_EQ(state->read.ends, history.ends);
    EXPECT_EQ(state->read.maxima, (std::vector<std::uint64_t>{5120, 4096, 3072, 2048, 1024, 0}));
    EXPECT_EQ(state->read.values, (std::vector<std::uint64_t>{59392, 49152, 39936, 29696, 19456, 1024}));
}

TEST(MinimalState, IsNoneWithoutBothHistories) {
    StateFile state = parse_state(state_with(some_day, history_at(some_day, {1024}), history_at(some_day, {1024}))).value();
    EXPECT_TRUE(is_success(minimal_state(state)));
    state.bandwidth.erase(Traffic::write);
    EXPECT_TRUE(is_error(minimal_state(state), ErrorKind::not_found, "no bandwidth history"));
}

TEST(MinimalState, IsAStateFileThatSaysTheSame) {
    for (const MinimalState& state : {minimal_at(some_day), largest()}) {
        const auto file = parse_state(to_state_text(state));
        ASSERT_TRUE(is_success(file));
        EXPECT_EQ(file->last_written, state.last_written);
        EXPECT_EQ(file->bandwidth.size(), 2u);
        const auto again = minimal_state(*file);
        ASSERT_TRUE(is_success(again));
        EXPECT_EQ(*again, state);
    }
}

TEST(MinimalState, TorGoesOnWithItsHistories) {
    const auto now = wall_clock();
    const MinimalState state = minimal_at(now);
    const StateVerdict verdict = ask_tor_about_state(to_state_text(state));
    ASSERT_TRUE(verdict.kept);
    EXPECT_EQ(verdict.observed, 4194304u);
    EXPECT_EQ(verdict.observed, observed_bandwidth(state.read, state.write, now));
    const auto written = parse_state(verdict.written);
    ASSERT_TRUE(is_success(written));
    for (const auto& [traffic, history] : {std::pair(Traffic::read, state.read), std::pair(Traffic::write, state.write)}) {
        const BandwidthHistory& left = written->bandwidth.at(traffic);
        EXPECT_EQ(left.ends, history.ends);
        EXPECT_EQ(left.interval, history.interval);
        EXPECT_EQ(left.maxima, history.maxima);
        ASSERT_EQ(left.values.size(), history.values.size());
        // tor spreads a value over the seconds of its interval, and loses what does not divide.
        for (std::size_t i = 0; i < left.values.size(); ++i) {
            EXPECT_LE(left.values[i], history.values[i]);
            EXPECT_GE(left.values[i] + 86400 + 1024, history.values[i]);
        }
    }
}

TEST(MinimalState, TruncatedAtEveryLengthOrLongerIsCorrupt) {
    Octets octets = encode_minimal_state(minimal_at(some_day));
    for (std::size_t length = 0; length < octets.size(); ++length)
        ASSERT_TRUE(is_error(decode_minimal_state(OctetView(octets).first(length)), ErrorKind::corrupt, "")) << length;
    octets.push_back(0);
    EXPECT_TRUE(is_error(decode_minimal_state(octets), ErrorKind::corrupt, "1 octets too many"));
}

TEST(MinimalState, OctetsThatNoStateHasAreCorrupt) {
    const Octets whole = encode_minimal_state(minimal_at(some_day));
    const auto changed = [&](std::size_t at, std::uint8_t octet) {
        Octets octets = whole;
        octets[at] = octet;
        return decode_minimal_state(octets);
    };
    EXPECT_TRUE(is_error(changed(0, 2), ErrorKind::corrupt, "version 2"));
    EXPECT_TRUE(is_error(changed(1, 1), ErrorKind::corrupt, "after the year 9998"));
    EXPECT_TRUE(is_error(changed(9, 1), ErrorKind::corrupt, "after the year 9998"));
    EXPECT_TRUE(is_error(changed(13, 0x7f), ErrorKind::corrupt, "ends more than one interval after"));
    EXPECT_TRUE(is_error(changed(18, 2), ErrorKind::corrupt, "intervals of 151936 s"));
    EXPECT_TRUE(is_error(changed(21, 0), ErrorKind::corrupt, "0 values"));
    EXPECT_TRUE(is_error(changed(21, 7), ErrorKind::corrupt, "7 intervals, more than 6"));
    EXPECT_TRUE(is_error(changed(22, 0xff), ErrorKind::corrupt, "more than 2147483647 octets a second"));
    EXPECT_TRUE(is_error(changed(27, 0x20), ErrorKind::corrupt, "more than 2147483647 octets a second"));
    EXPECT_TRUE(is_success(changed(27, 0x1f)));
}

}  // namespace
}  // namespace lethe
