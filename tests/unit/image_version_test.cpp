#include <gtest/gtest.h>

#include <array>

#include "image/version.hpp"

namespace lethe {
namespace {

// From oldest to newest: the specification's own list, and what a release of Lethe may be called.
constexpr std::array sorted{"~1",    "",        "ab",         "abb",   "abc",     "0001",    "002",    "12",
                            "122",   "122.9",   "123~rc1",    "123",   "123-a",   "123-a.1", "123-a1", "123-a1.1",
                            "123-3", "123-3.1", "123^patch1", "123^1", "123.a-1", "123.1-1", "123a-1", "124"};
constexpr std::array releases{"0.1.0", "0.1.1~rc1", "0.1.1", "0.1.1-1", "0.1.2", "0.1.10", "0.2", "1.0~beta", "1.0", "1.0.0"};

template <std::size_t count>
void expect_sorted(const std::array<const char*, count>& versions) {
    for (std::size_t i = 0; i < versions.size(); ++i) {
        for (std::size_t j = 0; j < versions.size(); ++j)
            EXPECT_EQ(compare_versions(versions[i], versions[j]), i <=> j) << versions[i] << " and " << versions[j];
    }
}

TEST(Versions, AreSortedAsTheSpecificationSays) { expect_sorted(sorted); }
TEST(Versions, OfReleasesAreSorted) { expect_sorted(releases); }

TEST(Versions, OtherCharactersSeparateParts) {
    EXPECT_EQ(compare_versions("123_aa2-67.89", "123aa+2-67.89"), std::strong_ordering::equal);
    EXPECT_EQ(compare_versions("12_3", "123"), std::strong_ordering::less);
    EXPECT_EQ(compare_versions("12_3", "12.3"), std::strong_ordering::greater);
    EXPECT_EQ(compare_versions("0_", "0"), std::strong_ordering::equal);
    EXPECT_EQ(compare_versions("123..0", "123.0"), std::strong_ordering::less);
    EXPECT_EQ(compare_versions("00", "0"), std::strong_ordering::equal);
}

TEST(Versions, NumbersHaveAnyLength) {
    EXPECT_EQ(compare_versions("99999999999999999999998", "99999999999999999999999"), std::strong_ordering::less);
    EXPECT_EQ(compare_versions("1" + std::string(100, '0'), "9" + std::string(99, '0')), std::strong_ordering::greater);
}

}  // namespace
}  // namespace lethe
