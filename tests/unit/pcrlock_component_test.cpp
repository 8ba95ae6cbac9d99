#include "pcrlock/component.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fake_pcrlock.hpp"

namespace lethe {
namespace {

const std::vector<Record> records{{4, digest_of(1)}, {11, digest_of(2)}};

TEST(Component, RoundTrips) {
    const auto parsed = parse_component(encode_component(records));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, records);
}

TEST(Component, OfSystemdGivesItsSha256DigestsOnly) {
    const auto parsed =
        parse_component(R"({"records":[{"pcr":11,"digests":[{"hashAlg":"sha1","digest":"b1b01d5f73f321eb70e76f8a0e241ac0a3fa4a6e"},)"
                        R"({"hashAlg":"sha256","digest":"51e6b92f405d1f98d96e3de343d61d420ad6923b25de21d766f9298192f14fed"}]}]})");
    ASSERT_TRUE(parsed) << parsed.error().message;
    ASSERT_EQ(parsed->size(), 1u);
    EXPECT_EQ(to_hex(parsed->front().digest), "51e6b92f405d1f98d96e3de343d61d420ad6923b25de21d766f9298192f14fed");
}

TEST(Component, WithoutASha256DigestIsCorrupt) {
    const auto parsed =
        parse_component(R"({"records":[{"pcr":11,"digests":[{"hashAlg":"sha1","digest":"b1b01d5f73f321eb70e76f8a0e241ac0a3fa4a6e"}]}]})");
    EXPECT_EQ(parsed.error().kind, ErrorKind::corrupt);
}

TEST(Component, CutAtAnyLengthIsCorrupt) {
    const std::string json = encode_component(records);
    for (std::size_t length = 0; length + 1 < json.size(); ++length)
        EXPECT_EQ(parse_component(json.substr(0, length)).error().kind, ErrorKind::corrupt);
}

struct BootedUki : testing::Test {
    std::vector<Record> uki{{4, digest_of(0x40)}, {11, digest_of(0x1a)}, {11, digest_of(0x1b)}};
    EventLog log;

    void event(unsigned pcr, std::uint8_t octet, std::string component = "", bool firmware = true) {
        log.events.push_back({.pcr = pcr,
                              .digest = digest_of(octet),
                              .firmware = firmware,
                              .type = "",
                              .component = std::move(component),
                              .description = ""});
    }
    BootedUki() {
        event(0, 0x01);
        event(4, 0x3e, "350-action-efi-application");
        event(4, 0x3f, "630-lethe-loader");
        event(4, 0x40);  // the UKI
        event(11, 0x1a);
        event(12, 0x2a);  // a credential, in between
        event(11, 0x1b);
        event(4, 0x44);  // the inner kernel
        event(13, 0x3a);
        event(9, 0x99);
        event(11, 0x5e, "750-enter-initrd", false);
    }
};

TEST_F(BootedUki, IsAllThatItMadeTheMachineMeasureInTheOrderOfTheLog) {
    const auto found = booted_uki_records(log, uki);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, (std::vector<Record>{{4, digest_of(0x40)},
                                           {11, digest_of(0x1a)},
                                           {12, digest_of(0x2a)},
                                           {11, digest_of(0x1b)},
                                           {4, digest_of(0x44)},
                                           {13, digest_of(0x3a)}}));
}

TEST_F(BootedUki, FromTheNetworkIsAllSinceTheLastCallOfABootOption) {
    log.events[1].type = "efi-action";
    log.events[2] = {
        .pcr = 4, .digest = digest_of(0x41), .firmware = true, .type = "efi-action", .component = "350", .description = "Calling"};
    const auto found = booted_network_records(log);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, *booted_uki_records(log, uki));
    std::erase_if(log.events, [](const LogEvent& event) { return event.pcr == 4 && event.component.empty(); });
    EXPECT_EQ(booted_network_records(log).error().kind, ErrorKind::wrong_state);
}

TEST_F(BootedUki, FromTheNetworkWithoutACallLocksNothing) { EXPECT_EQ(booted_network_records(log).error().kind, ErrorKind::wrong_state); }

TEST_F(BootedUki, LeavesToOtherComponentsWhatTheyMatch) {
    log.events[7].component = "660-inner-kernel";
    const auto found = booted_uki_records(log, uki);
    ASSERT_TRUE(found);
    EXPECT_THAT(*found, testing::Not(testing::Contains(Record{4, digest_of(0x44)})));
}

TEST_F(BootedUki, AnImageBeforeItIsNotItsOwn) {
    log.events[2].component.clear();  // a boot loader that nothing accounts for: the gate's to find
    EXPECT_THAT(*booted_uki_records(log, uki), testing::Not(testing::Contains(Record{4, digest_of(0x3f)})));
}

TEST_F(BootedUki, AnAttemptThatFailedIsNotAskedOfEveryBoot) {
    log.events.insert(log.events.begin() + 1,
                      {.pcr = 4, .digest = digest_of(0x40), .firmware = true, .type = "", .component = "", .description = ""});
    log.events.insert(log.events.begin() + 2,
                      {.pcr = 4, .digest = digest_of(0x45), .firmware = true, .type = "", .component = "", .description = "Returning"});
    const auto found = booted_uki_records(log, uki);
    ASSERT_TRUE(found);
    EXPECT_EQ(std::ranges::count(*found, Record{4, digest_of(0x40)}), 1);
    EXPECT_THAT(*found, testing::Not(testing::Contains(Record{4, digest_of(0x45)})));  // the gate's to name
}

TEST_F(BootedUki, AFileThatWasNotBootedIsRefused) {
    uki[0].digest = digest_of(0x66);
    const auto found = booted_uki_records(log, uki);
    EXPECT_EQ(found.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(found.error().message, testing::HasSubstr("PCR 4"));
}

TEST_F(BootedUki, AFileWithAnotherSectionIsRefused) {
    uki[2].digest = digest_of(0x66);
    const auto found = booted_uki_records(log, uki);
    EXPECT_EQ(found.error().kind, ErrorKind::wrong_state);
    EXPECT_THAT(found.error().message, testing::HasSubstr("measurement 2 of 2 in PCR 11"));
}

TEST_F(BootedUki, AMeasurementTooManyOrTooFewInPcr11IsRefused) {
    uki.push_back({11, digest_of(0x1c)});
    EXPECT_EQ(booted_uki_records(log, uki).error().kind, ErrorKind::wrong_state);
    uki.resize(2);
    EXPECT_EQ(booted_uki_records(log, uki).error().kind, ErrorKind::wrong_state);
}

}  // namespace
}  // namespace lethe
