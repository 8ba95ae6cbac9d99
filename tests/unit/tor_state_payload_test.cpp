#include <algorithm>

#include "tor/state_payload.hpp"
#include "tor_state_oracle.hpp"

namespace lethe {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::sys_seconds some_day = std::chrono::sys_days(std::chrono::year(2026) / 5 / 1) + 12h;
constexpr std::size_t limit = 1 << 20;
constexpr RsaFingerprint fingerprint{0xab, 0xcd};

Secret secret(std::string_view text) { return Secret::copy_of(as_octets(text)); }

std::string state_text() { return state_with(some_day, history_at(some_day, {1048576, 0}), history_at(some_day, {2097152, 0})); }

// Alice's onion keys with Bob's as the old ones, and two cached files.
KeyFiles all_files() {
    KeyFiles files;
    files.emplace("state", secret(state_text()));
    files.emplace(key_file::onion, Secret::copy_of(alice().files.at(key_file::onion).expose()));
    files.emplace(key_file::onion_ntor, Secret::copy_of(alice().files.at(key_file::onion_ntor).expose()));
    files.emplace(key_file::onion_old, Secret::copy_of(bob().files.at(key_file::onion).expose()));
    files.emplace(key_file::onion_ntor_old, Secret::copy_of(bob().files.at(key_file::onion_ntor).expose()));
    files.emplace("cached-microdesc-consensus", secret("network-status-version 3 microdesc\n"));
    files.emplace("cached-certs", Secret());
    return files;
}

KeyFiles only_state() {
    KeyFiles files;
    files.emplace("state", secret(state_text()));
    return files;
}

Result<StateFiles> decode(OctetView octets) { return decode_state_payload(Secret::copy_of(octets), limit); }

TEST(StatePayload, ComesBackWithTheSameFiles) {
    for (const bool whole : {true, false}) {
        const auto snapshot = parse_state_files(fingerprint, whole ? all_files() : only_state(), some_day + 1h, limit);
        ASSERT_TRUE(is_success(snapshot));
        const auto back = decode_state_payload(encode_state_payload(*snapshot), limit);
        ASSERT_TRUE(is_success(back));
        EXPECT_EQ(back->relay, fingerprint);
        EXPECT_EQ(back->taken, some_day + 1h);
        EXPECT_EQ(back->files, whole ? all_files() : only_state());
        EXPECT_EQ(back->state.last_written, some_day);
        EXPECT_EQ(observed_bandwidth(back->state, some_day), 1048576u);
    }
}

TEST(StatePayload, HoldsRelayTimeAndFilesAsTheFormatSays) {
    const Secret payload = encode_state_payload(parse_state_files(fingerprint, only_state(), some_day, limit).value());
    const OctetView octets = payload.expose();
    EXPECT_EQ(to_hex(octets.first(32)),
              "0001"
              "abcd000000000000000000000000000000000000"
              "0000000069f495c0"
              "0001");
    EXPECT_EQ(to_hex(octets.subspan(32, 11)), "0005" + to_hex(as_octets("state")) + std::format("{:08x}", state_text().size()));
    EXPECT_EQ(as_text(octets.subspan(43)), state_text());
}

TEST(StatePayload, HasTheStateFromBeforeAJumpOfTheClockBesideTheOther) {
    auto snapshot = parse_state_files(fingerprint, all_files(), some_day + 1h, limit).value();
    snapshot.earlier = without_caches(all_files());
    EXPECT_FALSE(snapshot.earlier.contains("cached-certs"));
    const Secret payload = encode_state_payload(snapshot);
    EXPECT_EQ(to_hex(payload.expose().first(2)), "0002");
    const auto back = decode_state_payload(payload, limit);
    ASSERT_TRUE(is_success(back));
    EXPECT_EQ(back->files, all_files());
    EXPECT_EQ(back->earlier, without_caches(all_files()));
    EXPECT_EQ(all_files(*back).size(), all_files().size() + back->earlier.size());
    EXPECT_TRUE(all_files(*back).contains("earlier.state"));
}

TEST(StatePayload, SaysWhichStateIsConfirmed) {
    for (const bool has_earlier : {true, false}) {
        for (const auto confirmed : {Confirmed::newest, Confirmed::earlier, Confirmed::neither}) {
            auto snapshot = parse_state_files(fingerprint, all_files(), some_day, limit).value();
            snapshot.confirmed = confirmed;
            if (has_earlier) snapshot.earlier = only_state();
            const auto back = decode_state_payload(encode_state_payload(snapshot), limit);
            ASSERT_TRUE(is_success(back));
            EXPECT_EQ(back->confirmed, confirmed == Confirmed::earlier && !has_earlier ? Confirmed::neither : confirmed);
            EXPECT_EQ(back->files, all_files());
            EXPECT_EQ(back->earlier, snapshot.earlier);
        }
    }
}

TEST(StatePayload, RefusesAnEarlierStateThatIsNone) {
    const auto refusal = [](KeyFiles earlier) {
        auto snapshot = parse_state_files(fingerprint, only_state(), some_day, limit).value();
        snapshot.earlier = std::move(earlier);
        return decode_state_payload(encode_state_payload(snapshot), limit);
    };
    KeyFiles cached = only_state(), cut = only_state(), keys = all_files();
    cached.emplace("cached-certs", Secret());
    replace(cut, "state", state_text().substr(0, 300));
    keys.erase("state");
    for (auto* files : {&cached, &cut, &keys}) EXPECT_EQ(refusal(std::move(*files)).error().kind, ErrorKind::corrupt);
    auto without = encode_state_payload(parse_state_files(fingerprint, only_state(), some_day, limit).value());
    without.expose_mutable()[1] = 2;
    EXPECT_EQ(decode_state_payload(without, limit).error().kind, ErrorKind::corrupt) << "a second form of the same";
}

TEST(StatePayload, AlwaysHasAStateFile) {
    KeyFiles files = all_files();
    files.erase("state");
    EXPECT_TRUE(is_error(parse_state_files(fingerprint, copy_of(files), some_day, limit), ErrorKind::invalid_argument, "state is missing"));
    EXPECT_TRUE(is_error(decode_state_payload(encode_state_payload({fingerprint, some_day, std::move(files), {}}), limit),
                         ErrorKind::corrupt, "state is missing"));
    const std::string cut = state_text().substr(0, 300);
    files = all_files();
    replace(files, "state", cut);
    EXPECT_TRUE(is_error(parse_state_files(fingerprint, copy_of(files), some_day, limit), ErrorKind::corrupt, "state: cut short"));
    EXPECT_TRUE(is_error(decode_state_payload(encode_state_payload({fingerprint, some_day, std::move(files), {}}), limit),
                         ErrorKind::corrupt, "state: cut short"));
}

TEST(StatePayload, ADamagedOrTornOnionKeyIsCorruptByName) {
    for (const std::string& name : onion_key_files) {
        const KeyFiles whole = all_files();
        const OctetView key = whole.at(name).expose();
        Secret changed = Secret::copy_of(key);
        changed.expose_mutable()[key.size() / 2] ^= 1;
        for (const OctetView damaged : {key.first(key.size() / 2), OctetView(), OctetView(changed.expose())}) {
            KeyFiles files = copy_of(whole);
            replace(files, name, damaged);
            EXPECT_TRUE(is_error(parse_state_files(fingerprint, copy_of(files), some_day, limit), ErrorKind::corrupt, name + ": "))
                << damaged.size();
            EXPECT_TRUE(is_error(decode_state_payload(encode_state_payload({fingerprint, some_day, std::move(files), {}}), limit),
                                 ErrorKind::corrupt, name + ": "));
        }
    }
    KeyFiles swapped = all_files();
    replace(swapped, key_file::onion, alice().files.at(key_file::onion_ntor).expose());
    EXPECT_TRUE(is_error(parse_state_files(fingerprint, std::move(swapped), some_day, limit), ErrorKind::corrupt, "secret_onion_key: "));
}

TEST(StatePayload, AnOnionKeyThatIsKnownIsNotCheckedForPrimesAgain) {
    const Secret pem = rsa_key_of_no_primes();
    KeyFiles files = all_files(), known;
    replace(files, key_file::onion_old, pem.expose());
    const auto parsed = [&] { return parse_state_files(fingerprint, copy_of(files), some_day, limit, known); };
    EXPECT_TRUE(is_error(parsed(), ErrorKind::corrupt, "secret_onion_key.old: "));
    known.emplace(key_file::onion, Secret::copy_of(alice().files.at(key_file::onion).expose()));
    EXPECT_TRUE(is_error(parsed(), ErrorKind::corrupt, "secret_onion_key.old: ")) << "another key is known";
    replace(known, key_file::onion, pem.expose());
    EXPECT_TRUE(is_success(parsed())) << "tor has renamed it since";
    files.at(key_file::onion_old).expose_mutable()[100] ^= 1;
    EXPECT_TRUE(is_error(parsed(), ErrorKind::corrupt, "secret_onion_key.old: ")) << "it was known, and is damaged since";
}

TEST(StatePayload, TakesNoOtherFiles) {
    for (const std::string name : {"secret_id_key", "cached-extrainfo", "../state", "state\n"}) {
        KeyFiles files = all_files();
        replace(files, name, "x");
        EXPECT_TRUE(is_error(parse_state_files(fingerprint, copy_of(files), some_day, limit), ErrorKind::invalid_argument,
                             "is not part of a relay's state"));
        EXPECT_TRUE(is_error(decode_state_payload(encode_state_payload({fingerprint, some_day, std::move(files), {}}), limit),
                             ErrorKind::corrupt, "leave it out"));
    }
    for (const std::string& name : cache_files) {
        KeyFiles files = only_state();
        replace(files, name, "x");
        EXPECT_TRUE(is_success(parse_state_files(fingerprint, std::move(files), some_day, limit)));
    }
}

TEST(StatePayload, IsNotLargerThanItMayBe) {
    const std::size_t size = encode_state_payload(parse_state_files(fingerprint, all_files(), some_day, limit).value()).size();
    const auto fitting = parse_state_files(fingerprint, all_files(), some_day, size);
    ASSERT_TRUE(is_success(fitting));
    EXPECT_TRUE(is_success(decode_state_payload(encode_state_payload(*fitting), size)));
    EXPECT_TRUE(
        is_error(parse_state_files(fingerprint, all_files(), some_day, size - 1), ErrorKind::invalid_argument, "leave cached files out"));
    EXPECT_TRUE(is_error(decode_state_payload(encode_state_payload(*fitting), size - 1), ErrorKind::corrupt, "a snapshot of"));
}

TEST(StatePayload, IsTakenInAYearOfFourDigits) {
    constexpr auto last = state_time_end - 1s;
    const auto snapshot = parse_state_files(fingerprint, only_state(), last, limit);
    ASSERT_TRUE(is_success(snapshot));
    EXPECT_TRUE(is_success(decode_state_payload(encode_state_payload(*snapshot), limit)));
    EXPECT_TRUE(is_error(parse_state_files(fingerprint, only_state(), last + 1s, limit), ErrorKind::invalid_argument, "after 9998"));
    EXPECT_TRUE(is_error(parse_state_files(fingerprint, only_state(), std::chrono::sys_seconds(-1s), limit), ErrorKind::invalid_argument,
                         "before 1970"));
    EXPECT_TRUE(is_error(decode_state_payload(encode_state_payload({fingerprint, last + 1s, only_state(), {}}), limit), ErrorKind::corrupt,
                         "after the year 9998"));
}

TEST(StatePayload, TruncatedAtEveryLengthIsCorrupt) {
    const Secret payload = encode_state_payload(parse_state_files(fingerprint, all_files(), some_day, limit).value());
    for (std::size_t length = 0; length < payload.size(); ++length)
        ASSERT_TRUE(is_error(decode(payload.expose().first(length)), ErrorKind::corrupt, "")) << length;
}

TEST(StatePayload, AnotherVersionTrailingOctetsAndAnotherOrderAreCorrupt) {
    const auto beginning = [](std::uint16_t version, std::uint16_t count) {
        OctetWriter writer;
        writer.u16(version).raw(fingerprint).u64(1).u16(count);
        return writer;
    };
    const auto put = [](OctetWriter& writer, std::string_view name) { writer.sized16(as_octets(name)).sized32(as_octets(state_text())); };
    OctetWriter good = beginning(1, 1), newer = beginning(5, 1), without = beginning(3, 1), twice = beginning(1, 2),
                descending = beginning(1, 2);
    put(good, "state");
    put(newer, "state");
    put(without, "state");
    for (const std::string_view name : {"state", "state"}) put(twice, name);
    for (const std::string_view name : {"state", "cached-certs"}) put(descending, name);
    EXPECT_TRUE(is_success(decode(good.octets())));
    EXPECT_TRUE(is_error(decode(newer.octets()), ErrorKind::corrupt, "version 5"));
    EXPECT_TRUE(is_error(decode(without.octets()), ErrorKind::corrupt, "missing"));
    EXPECT_TRUE(is_error(decode(twice.octets()), ErrorKind::corrupt, "order"));
    EXPECT_TRUE(is_error(decode(descending.octets()), ErrorKind::corrupt, "order"));
    EXPECT_TRUE(is_error(decode(good.u8(0).octets()), ErrorKind::corrupt, "1 octets too many"));
    EXPECT_TRUE(is_error(decode(beginning(1, 13).octets()), ErrorKind::corrupt, "13 files, more than 12"));
}

}  // namespace
}  // namespace lethe
