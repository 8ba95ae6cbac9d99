#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <format>

#include "measure/userspace_log.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The SHA-256 digest of "sysinit".
constexpr std::string_view sysinit_hex = "730bb5a583ba880c277e656d2dc8aba1a314a11b14d25b05153d2bab82567a48";

std::string record(std::string_view json) { return std::format("\x1e{}\n", json); }

std::string phase(std::string_view pcr, std::string_view digests) {
    constexpr std::string_view described = R"("content_type":"systemd","content":{"string":"sysinit","eventType":"phase"})";
    return record(std::format(R"({{"pcr":{},"digests":[{}],{}}})", pcr, digests, described));
}

std::string digest(std::string_view algorithm, std::string_view hex) {
    return std::format(R"({{"hashAlg":"{}","digest":"{}"}})", algorithm, hex);
}

std::string refusal(const std::string& log) {
    const auto parsed = parse_userspace_log(log);
    EXPECT_FALSE(parsed) << log;
    if (parsed) return {};
    EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt) << parsed.error().message;
    return parsed.error().message;
}

const std::string sysinit = phase("11", digest("sha256", sysinit_hex));

TEST(UserspaceLog, ARecordIsParsed) {
    const auto log = parse_userspace_log(sysinit + sysinit);
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_EQ(log->size(), 2u);
    EXPECT_EQ(log->front().pcr, 11u);
    EXPECT_EQ(log->front().event_type, "phase");
    EXPECT_EQ(log->front().content, "sysinit");
    const Measurement extended{11, hash_of(Bank::sha256, as_octets("sysinit"))};
    EXPECT_EQ(to_hex(extended.digest.view()), sysinit_hex);
    EXPECT_THAT(*measurements(*log, Bank::sha256), ElementsAre(extended, extended));
}

TEST(UserspaceLog, AnEmptyLogHasNoEvents) {
    const auto log = parse_userspace_log("");
    ASSERT_TRUE(log);
    EXPECT_TRUE(log->empty());
}

TEST(UserspaceLog, DigestsOfSeveralBanksAreKeptAndUnknownOnesPassedOver) {
    const std::string sha1(40, 'a');
    const auto log =
        parse_userspace_log(phase("15", digest("sha1", sha1) + "," + digest("sm3_256", sysinit_hex) + "," + digest("sha256", sysinit_hex)));
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ(log->front().digests.size(), 2u);
    EXPECT_EQ(to_hex(measurements(*log, Bank::sha1)->front().digest.view()), sha1);
    EXPECT_EQ(measurements(*log, Bank::sha384).error().kind, ErrorKind::not_found);
}

TEST(UserspaceLog, WhatDescribesARecordMayBeMissing) {
    const auto log = parse_userspace_log(record(R"({"pcr":11,"digests":[]})"));
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ(log->front().content, "");
    EXPECT_EQ(log->front().event_type, "");
}

TEST(UserspaceLog, ACutShortRecordIsCorruptWherever) {
    for (std::size_t size = 1; size < sysinit.size(); ++size)
        EXPECT_THAT(refusal(sysinit + sysinit.substr(0, size)), HasSubstr("cut short")) << size;
    EXPECT_THAT(refusal(sysinit.substr(0, sysinit.size() - 1) + sysinit),
                HasSubstr("record 0 of systemd's measurement log, at octet 0: the record is cut short"));
    EXPECT_THAT(refusal(sysinit + "\x1e"), HasSubstr(std::format("record 1 of systemd's measurement log, at octet {}", sysinit.size())));
}

TEST(UserspaceLog, WhatIsNoRecordIsCorrupt) {
    EXPECT_THAT(refusal("x" + sysinit), HasSubstr("a record separator is expected"));
    EXPECT_THAT(refusal(sysinit.substr(1)), HasSubstr("a record separator is expected"));
    EXPECT_THAT(refusal(record("")), HasSubstr("not JSON"));
    EXPECT_THAT(refusal(record("{} {}")), HasSubstr("not JSON"));
    EXPECT_THAT(refusal(record(std::string(1 << 10, '['))), HasSubstr("not JSON"));
    EXPECT_THAT(refusal(record("[11]")), HasSubstr("no number \"pcr\""));
}

TEST(UserspaceLog, AFieldOfAnotherKindIsCorrupt) {
    const std::string sha256 = digest("sha256", sysinit_hex);
    for (const char* pcr : {"24", "-1", "4294967307", "\"11\"", "11.0", "null"})
        EXPECT_THAT(refusal(phase(pcr, sha256)), HasSubstr("no number \"pcr\" up to 23")) << pcr;
    EXPECT_THAT(refusal(record(R"({"pcr":11})")), HasSubstr("no array \"digests\""));
    EXPECT_THAT(refusal(phase("11", "1")), HasSubstr("no text \"hashAlg\""));
    EXPECT_THAT(refusal(phase("11", R"({"hashAlg":"sha256"})")), HasSubstr("no text \"digest\""));
    EXPECT_THAT(refusal(phase("11", digest("sha256", "0g"))), HasSubstr("hexadecimal"));
    EXPECT_THAT(refusal(phase("11", digest("sha384", sysinit_hex))), HasSubstr("a sha384 digest of 32 octets where 48 are expected"));
    EXPECT_THAT(refusal(phase("11", sha256 + "," + sha256)), HasSubstr("two sha256 digests"));
    EXPECT_THAT(refusal(record(R"({"pcr":11,"digests":[],"content":{"string":1}})")), HasSubstr("no text \"string\""));
}

TEST(UserspaceLog, ALogThatIsTooLongIsCorrupt) { EXPECT_THAT(refusal(std::string((1 << 20) + 1, ' ')), HasSubstr("at most 1048576")); }

}  // namespace
}  // namespace lethe
