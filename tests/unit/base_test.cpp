#include <gtest/gtest.h>

#include "base/octets.hpp"

TEST(Octets, HexRoundTrips) { EXPECT_EQ(lethe::to_hex(*lethe::from_hex("00ffa5")), "00ffa5"); }
