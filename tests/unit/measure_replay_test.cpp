#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "measure/replay.hpp"

namespace lethe {
namespace {

std::string hex(const BankDigest& digest) { return to_hex(digest.view()); }

TEST(Replay, PcrsBeginWithZerosAndThoseOfADynamicLaunchWithOnes) {
    for (const Bank bank : all_banks) {
        const PcrBank values = reset_values(bank, StartupLocality::locality_0);
        for (unsigned pcr = 0; pcr < pcr_count; ++pcr)
            EXPECT_EQ(hex(values[pcr]), std::string(2 * digest_octets(bank), pcr >= 17 && pcr <= 22 ? 'f' : '0')) << name_of(bank) << pcr;
        EXPECT_EQ(*replay(bank, {}), values);
    }
}

TEST(Replay, Pcr0BeginsWithTheStartupLocality) {
    const std::string zeros(38, '0');
    EXPECT_EQ(hex(reset_values(Bank::sha1, StartupLocality::locality_3)[0]), zeros + "03");
    EXPECT_EQ(hex(reset_values(Bank::sha1, StartupLocality::h_crtm)[0]), zeros + "04");
    EXPECT_EQ(hex(reset_values(Bank::sha1, StartupLocality::h_crtm)[1]), zeros + "00");
}

// The separators that a PC's firmware measures, and what they make of a PCR that holds nothing else.
TEST(Replay, AMeasurementIsExtended) {
    const Octets separator(4);
    const Measurement sha1{2, hash_of(Bank::sha1, separator)}, sha256{2, hash_of(Bank::sha256, separator)};
    EXPECT_EQ(hex((*replay(Bank::sha1, {&sha1, 1}))[2]), "b2a83b0ebf2f8374299a5b2bdfc31ea955ad7236");
    EXPECT_EQ(hex((*replay(Bank::sha256, {&sha256, 1}))[2]), "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969");
}

TEST(Replay, TheOrderOfMeasurementsCountsWithinAPcrAlone) {
    const BankDigest a = hash_of(Bank::sha384, as_octets("a")), b = hash_of(Bank::sha384, as_octets("b"));
    const std::vector<Measurement> one{{4, a}, {4, b}, {7, a}}, other_pcr_first{{7, a}, {4, a}, {4, b}}, turned{{4, b}, {4, a}, {7, a}};
    EXPECT_EQ(*replay(Bank::sha384, one), *replay(Bank::sha384, other_pcr_first));
    EXPECT_NE((*replay(Bank::sha384, one))[4], (*replay(Bank::sha384, turned))[4]);
    EXPECT_EQ((*replay(Bank::sha384, one))[4], extended(extended({.bank = Bank::sha384}, a), b));
}

TEST(Replay, AMeasurementOfAnotherBankOrPcrIsInvalid) {
    const Measurement other_bank{4, {.bank = Bank::sha1}}, other_pcr{24, {.bank = Bank::sha256}}, fitting{23, {.bank = Bank::sha256}};
    EXPECT_EQ(replay(Bank::sha256, {&other_bank, 1}).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(replay(Bank::sha256, {&other_pcr, 1}).error().kind, ErrorKind::invalid_argument);
    EXPECT_TRUE(replay(Bank::sha256, {&fitting, 1}));
}

}  // namespace
}  // namespace lethe
