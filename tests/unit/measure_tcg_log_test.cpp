#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "measure/tcg_log.hpp"
#include "tcg_log_builder.hpp"

namespace lethe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Builder = TcgLogBuilder;

constexpr std::string_view locality_3("StartupLocality\0\3", 17);

Builder agile() { return Builder().spec_id({Builder::sha1, Builder::sha256}); }

Error refusal(const Builder& log) {
    const auto parsed = parse_tcg_log(log.octets());
    EXPECT_FALSE(parsed);
    const Error error = parsed ? Error{ErrorKind::io, {}} : parsed.error();
    EXPECT_EQ(error.kind, ErrorKind::corrupt) << error.message;
    return error;
}

TEST(TcgLog, ASha1LogIsParsed) {
    const auto log = parse_tcg_log(Builder().sha1_event(7, event_type::separator, "zero").sha1_event(4, event_type::ipl, "").octets());
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_THAT(log->banks, ElementsAre(Bank::sha1));
    ASSERT_EQ(log->events.size(), 2u);
    EXPECT_EQ(log->events[0].pcr, 7u);
    EXPECT_EQ(log->events[0].type, event_type::separator);
    EXPECT_EQ(as_text(log->events[0].data), "zero");
    EXPECT_EQ(log->events[0].digests.at(Bank::sha1), hash_of(Bank::sha1, as_octets("zero")));
    EXPECT_TRUE(log->events[1].data.empty());
}

TEST(TcgLog, ASha1LogMayBeginWithAnOlderSpecIdEvent) {
    const auto log =
        parse_tcg_log(Builder().sha1_event(0, event_type::no_action, {"Spec ID Event02", 16}).sha1_event(4, event_type::ipl, "x").octets());
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ(log->events.size(), 2u);
    EXPECT_EQ(measurements(*log, Bank::sha1)->size(), 1u);
}

TEST(TcgLog, AnAgileLogIsParsedWithADigestOfEachBank) {
    const auto log = parse_tcg_log(agile().event(11, event_type::ipl, ".linux", {Bank::sha1, Bank::sha256}).octets());
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_THAT(log->banks, ElementsAre(Bank::sha1, Bank::sha256));
    ASSERT_EQ(log->events.size(), 2u);
    for (const Bank bank : log->banks)
        EXPECT_THAT(*measurements(*log, bank), ElementsAre(Measurement{11, hash_of(bank, as_octets(".linux"))})) << name_of(bank);
}

TEST(TcgLog, ABankThatAnEventLacksIsNotFound) {
    const auto log = parse_tcg_log(agile().event(4, event_type::ipl, "x", {Bank::sha256}).octets());
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_TRUE(measurements(*log, Bank::sha256));
    EXPECT_EQ(measurements(*log, Bank::sha1).error().kind, ErrorKind::not_found);
    EXPECT_EQ(measurements(*log, Bank::sha384).error().kind, ErrorKind::not_found);
}

TEST(TcgLog, ADigestOfAnUnknownAlgorithmIsPassedOver) {
    Builder log = Builder().spec_id({Builder::sm3, Builder::sha256});
    const BankDigest digest = hash_of(Bank::sha256, as_octets("x"));
    log.u32(4).u32(event_type::ipl).u32(2).u16(Builder::sm3.first).raw(Octets(32)).u16(Builder::sha256.first).raw(digest.view());
    const auto parsed = parse_tcg_log(log.u32(0).octets());
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_THAT(parsed->banks, ElementsAre(Bank::sha256));
    EXPECT_THAT(parsed->events[1].digests, ElementsAre(std::pair(Bank::sha256, digest)));
}

TEST(TcgLog, VendorInformationIsPassedOver) {
    EXPECT_TRUE(parse_tcg_log(Builder().spec_id({Builder::sha256}, "\3abc").octets()));
    EXPECT_THAT(refusal(Builder().spec_id({Builder::sha256}, "\3ab")).message, HasSubstr("event 0 of the firmware's log, at octet 0: cut"));
    EXPECT_THAT(refusal(Builder().spec_id({Builder::sha256}, "\3abcd")).message, HasSubstr("1 octets too many"));
}

TEST(TcgLog, ANoActionEventIsKeptAndNotExtended) {
    const auto log = parse_tcg_log(agile()
                                       .event(0, event_type::no_action, {"SP800-155 Event", 16}, {Bank::sha1, Bank::sha256})
                                       .event(0x01c40200, event_type::no_action, "in an NV index", {Bank::sha256})
                                       .octets());
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_EQ(log->events.size(), 3u);
    EXPECT_EQ(as_text(log->events[1].data), std::string_view("SP800-155 Event", 16));
    EXPECT_TRUE(measurements(*log, Bank::sha256)->empty());
    EXPECT_EQ(log->locality, StartupLocality::locality_0);
}

TEST(TcgLog, AnExtendedEventInAPcrThatIsNotThereIsCorrupt) {
    EXPECT_THAT(refusal(agile().event(24, event_type::ipl, "x", {Bank::sha256})).message,
                HasSubstr("event 1 of the firmware's log, at octet 69: there is no PCR 24"));
    EXPECT_TRUE(parse_tcg_log(agile().event(23, event_type::ipl, "x", {Bank::sha256}).octets()));
}

TEST(TcgLog, TheStartupLocalityIsRead) {
    for (const StartupLocality wanted : all_startup_localities) {
        std::string data(locality_3);
        data.back() = static_cast<char>(wanted);
        const auto log = parse_tcg_log(agile().event(0, event_type::no_action, data, {Bank::sha256}).octets());
        ASSERT_TRUE(log) << log.error().message;
        EXPECT_EQ(log->locality, wanted);
    }
    const auto elsewhere = parse_tcg_log(agile().event(1, event_type::no_action, locality_3, {Bank::sha256}).octets());
    EXPECT_EQ(elsewhere->locality, StartupLocality::locality_0);
}

TEST(TcgLog, AnImpossibleStartupLocalityIsCorrupt) {
    const auto with = [](std::string_view data) { return agile().event(0, event_type::no_action, data, {Bank::sha256}); };
    EXPECT_THAT(refusal(with({"StartupLocality\0\1", 17})).message, HasSubstr("locality 1"));
    EXPECT_THAT(refusal(with({"StartupLocality\0", 16})).message, HasSubstr("16 octets"));
    EXPECT_THAT(refusal(with({"StartupLocality\0\3\0", 18})).message, HasSubstr("18 octets"));
    EXPECT_THAT(refusal(with(locality_3).event(0, event_type::no_action, locality_3, {})).message, HasSubstr("second"));
}

TEST(TcgLog, AHostileDeclarationIsCorrupt) {
    const auto declared = [](std::initializer_list<Builder::Algorithm> algorithms) { return Builder().spec_id(algorithms); };
    EXPECT_THAT(refusal(declared({})).message, HasSubstr("0 digest algorithms"));
    EXPECT_THAT(refusal(declared({{0x000b, 20}})).message, HasSubstr("sha256 digests are declared to be of 20 octets"));
    EXPECT_THAT(refusal(declared({Builder::sm3, Builder::sha1, Builder::sm3})).message, HasSubstr("0x0012 is declared twice"));
    Builder counted;
    counted.raw({"Spec ID Event03", 16}).raw(Octets(8)).u32(0xffffffff);
    EXPECT_THAT(refusal(Builder().sha1_event(0, event_type::no_action, as_text(counted.octets()))).message, HasSubstr("4294967295 digest"));
}

TEST(TcgLog, HostileDigestsAreCorrupt) {
    const auto with = [] { return agile().u32(4).u32(event_type::ipl); };
    const Octets digest(32);
    EXPECT_THAT(refusal(with().u32(3)).message, HasSubstr("3 digests where the log declares 2"));
    EXPECT_THAT(refusal(with().u32(0xffffffff)).message, HasSubstr("4294967295 digests"));
    EXPECT_THAT(refusal(with().u32(1).u16(0x000c).raw(Octets(48)).u32(0)).message, HasSubstr("0x000c, which the log does not declare"));
    EXPECT_THAT(refusal(with().u32(2).u16(0x000b).raw(digest).u16(0x000b).raw(digest).u32(0)).message, HasSubstr("two sha256 digests"));
}

TEST(TcgLog, ADataSizeBeyondTheLogIsCorrupt) {
    EXPECT_THAT(refusal(agile().u32(4).u32(event_type::ipl).u32(0).u32(0xffffffff).raw("x")).message,
                HasSubstr("cut short: 4294967295 octets wanted, 1 left"));
}

TEST(TcgLog, ALogThatEndsInsideAnEventIsCorrupt) {
    const Octets whole = agile().event(4, event_type::ipl, "data", {Bank::sha1, Bank::sha256}).octets();
    const std::size_t first = agile().octets().size();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto log = parse_tcg_log(OctetView(whole).first(size));
        EXPECT_EQ(log.has_value(), size == first) << size;
        EXPECT_TRUE(log || log.error().kind == ErrorKind::corrupt) << size;
    }
    EXPECT_TRUE(parse_tcg_log(whole));
}

TEST(EventTypes, HaveTheirNamesAndOtherNumbersAreShown) {
    EXPECT_EQ(name_of_event_type(event_type::no_action), "EV_NO_ACTION");
    EXPECT_EQ(name_of_event_type(event_type::ipl), "EV_IPL");
    EXPECT_EQ(name_of_event_type(event_type::efi_boot_services_application), "EV_EFI_BOOT_SERVICES_APPLICATION");
    EXPECT_EQ(name_of_event_type(0x800000e0), "EV_EFI_VARIABLE_AUTHORITY");
    EXPECT_EQ(name_of_event_type(0x14), "0x00000014");
}

}  // namespace
}  // namespace lethe
