#include "vault/minimal_states.hpp"
#include "vault/vault.hpp"

#include <gmock/gmock.h>

#include <array>
#include <random>
#include <ranges>

#include "borrowed_tpm.hpp"
#include "fake_tpm.hpp"

namespace lethe {
namespace {

using testing::HasSubstr;

using Relays = MinimalStates::Relays;

Relays relays_of(std::size_t count, std::uint8_t filling) {
    Relays relays;
    for (std::size_t i = 0; i < count; ++i) relays[std::format("relay{}", i)] = Octets(131, static_cast<std::uint8_t>(filling + i));
    return relays;
}

// Octets that do not compress.
Relays noise_of(std::size_t count) {
    Relays relays = relays_of(count, 0);
    std::mt19937 noise(1);
    for (auto& octets : relays | std::views::values)
        for (auto& octet : octets) octet = static_cast<std::uint8_t>(noise());
    return relays;
}

struct MinimalStatesTest : testing::Test {
    FakeTpm tpm;
    VaultKey key{Secret::copy_of(Octets(32, 7))};
    MinimalStates states{tpm, key, false}, numbered{tpm, key, true};

    void expect(const Relays& relays, bool is_numbered = false) {
        const auto read = MinimalStates(tpm, key, is_numbered).read();
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(*read, relays);
    }
    void write(MinimalStates& into, const Relays& relays) {
        const auto written = into.write(relays);
        ASSERT_TRUE(written) << written.error().message;
    }
    Octets index() { return *tpm.nv_read(minimal_state_index_handle); }
    void put_back(const Octets& octets) { ASSERT_TRUE(tpm.nv_write(minimal_state_index_handle, 0, octets)); }
    ErrorKind refusal() { return MinimalStates(tpm, key, true).read().error().kind; }
};

TEST_F(MinimalStatesTest, ComeBackAsTheyWereWritten) {
    EXPECT_EQ(states.read().error().kind, ErrorKind::not_found);
    for (std::uint8_t filling = 1; filling < 6; ++filling) {
        write(states, relays_of(2, filling));
        expect(relays_of(2, filling));
    }
    EXPECT_EQ(tpm.nv_area(counter_index_handle).error().kind, ErrorKind::not_found) << "the counter is the snapshots'";
}

TEST_F(MinimalStatesTest, OfTwoRelaysTakeLessThanAKilobyteOfTheTpm) {
    write(states, noise_of(2));
    EXPECT_LE(tpm.nv_area(minimal_state_index_handle)->octets, 1024);
}

TEST_F(MinimalStatesTest, TheOtherSlotIsThereWhenTheNewerIsDamaged) {
    write(states, relays_of(1, 1));
    write(states, relays_of(1, 2));
    const std::size_t half = index().size() / 2;
    ASSERT_TRUE(tpm.nv_write(minimal_state_index_handle, static_cast<std::uint16_t>(half + 20), Octets(4, 0xaa)));
    expect(relays_of(1, 1));
    write(states, relays_of(1, 3));
    expect(relays_of(1, 3));
    put_back(Octets(2 * half, 0xaa));
    EXPECT_EQ(states.read().error().kind, ErrorKind::corrupt);
}

TEST_F(MinimalStatesTest, TheIndexGrowsWithTheRelaysUntilItIsFull) {
    for (std::size_t relays = 1; relays <= 6; ++relays) {
        EXPECT_TRUE(states.fits(noise_of(relays))) << relays;
        write(states, noise_of(relays));
        expect(noise_of(relays));
    }
    EXPECT_FALSE(states.fits(noise_of(20)));
    const auto refused = states.write(noise_of(20));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
    EXPECT_THAT(refused.error().message, HasSubstr("20 relays"));
    expect(noise_of(6));
}

// A TPM whose power goes after some commands that change it.
struct CutTpm : BorrowedTpm {
    int left;
    CutTpm(Tpm& tpm, int left) : BorrowedTpm(tpm), left(left) {}
    Result<void> spend() { return left-- > 0 ? Result<void>{} : fail(ErrorKind::tpm_unavailable, "the power is gone"); }
    Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) override {
        TRY(spend());
        return tpm_.nv_define(handle, octets);
    }
    Result<void> nv_undefine(std::uint32_t handle) override {
        TRY(spend());
        return tpm_.nv_undefine(handle);
    }
    Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) override {
        TRY(spend());
        return tpm_.nv_write(handle, offset, octets);
    }
};

std::size_t indices_in(Tpm& tpm) {
    return static_cast<std::size_t>(std::ranges::count_if(std::array{minimal_state_index_handle, minimal_state_second_handle},
                                                          [&](std::uint32_t handle) { return tpm.nv_area(handle).has_value(); }));
}

// Wherever power goes while the index grows, the state of before or the new one is there, and the next write leaves one index.
TEST(MinimalStatesCut, AnIndexThatGrowsLosesNothing) {
    const VaultKey key{Secret::copy_of(Octets(32, 7))};
    const auto before = noise_of(1), after = noise_of(5), later = noise_of(6);
    for (const bool numbered : {false, true}) {
        bool is_through = false;
        for (int commands = 0; !is_through; ++commands) {
            FakeTpm tpm;
            ASSERT_TRUE(MinimalStates(tpm, key, numbered).write(before));
            CutTpm cut(tpm, commands);
            is_through = MinimalStates(cut, key, numbered).write(after).has_value();
            const auto found = MinimalStates(tpm, key, numbered).read();
            ASSERT_TRUE(found) << commands << ": " << found.error().message;
            EXPECT_TRUE(*found == before || *found == after) << commands;
            for (const auto& relays : {after, later}) {
                const auto written = MinimalStates(tpm, key, numbered).write(relays);
                ASSERT_TRUE(written) << commands << ": " << written.error().message;
                EXPECT_EQ(MinimalStates(tpm, key, numbered).read().value(), relays) << commands;
            }
            EXPECT_EQ(indices_in(tpm), 1u) << commands;
            ASSERT_LT(commands, 20);
        }
    }
}

TEST_F(MinimalStatesTest, WithoutRoomForTheLargerIndexKeepsTheOneThatIsThere) {
    write(states, noise_of(1));
    tpm.limit_nv({2048, 1024}, 700);
    EXPECT_EQ(states.write(noise_of(3)).error().kind, ErrorKind::wrong_state);
    expect(noise_of(1));
    write(states, relays_of(1, 9));
    expect(relays_of(1, 9));
}

TEST_F(MinimalStatesTest, AreNotReadWithAnotherKeyNorFromAnIndexOfOthers) {
    write(states, relays_of(1, 1));
    const VaultKey other{Secret::copy_of(Octets(32, 8))};
    EXPECT_EQ(MinimalStates(tpm, other, false).read().error().kind, ErrorKind::corrupt);
    ASSERT_TRUE(states.reset());
    EXPECT_EQ(tpm.nv_area(minimal_state_index_handle).error().kind, ErrorKind::not_found);
    ASSERT_TRUE(tpm.nv_define(minimal_state_index_handle, 100));
    EXPECT_EQ(states.read().error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(states.write(relays_of(1, 1)).error().kind, ErrorKind::wrong_state);
}

TEST_F(MinimalStatesTest, NumberedOnesThatWerePutBackAreRefused) {
    write(numbered, relays_of(1, 1));
    expect(relays_of(1, 1), true);
    const Octets old = index();
    write(numbered, relays_of(1, 2));
    write(numbered, relays_of(1, 3));
    expect(relays_of(1, 3), true);
    put_back(old);
    EXPECT_EQ(refusal(), ErrorKind::rollback);
    ASSERT_TRUE(numbered.reset());
    EXPECT_EQ(refusal(), ErrorKind::not_found);
    write(numbered, relays_of(1, 4));
    expect(relays_of(1, 4), true);
    put_back(old);
    EXPECT_EQ(refusal(), ErrorKind::rollback) << "nor after a new counter";
}

TEST_F(MinimalStatesTest, NumberedOnesAreRefusedWhenTheCounterIsGoneOrAnother) {
    write(numbered, relays_of(1, 1));
    ASSERT_TRUE(tpm.nv_undefine(counter_index_handle));
    EXPECT_EQ(refusal(), ErrorKind::rollback);
    EXPECT_EQ(MinimalStates(tpm, key, true).write(relays_of(1, 2)).error().kind, ErrorKind::rollback);
    ASSERT_TRUE(tpm.counter_define(counter_index_handle, Secret::copy_of(Octets(32, 1))));
    EXPECT_EQ(refusal(), ErrorKind::wrong_state);
}

// Power goes after the write and before the count.
TEST_F(MinimalStatesTest, NumberedOnesThatAreNotCountedYetAreCountedWhenTheyAreRead) {
    write(numbered, relays_of(1, 1));
    const auto count = RollbackCounter(tpm, key).value().value();
    tpm.fail_next_increment();
    EXPECT_FALSE(numbered.write(relays_of(1, 2)));
    EXPECT_EQ(RollbackCounter(tpm, key).value().value(), count);
    expect(relays_of(1, 2), true);
    EXPECT_EQ(RollbackCounter(tpm, key).value().value(), count + 1);
}

TEST_F(MinimalStatesTest, AVaultThatIsGivenUpLeavesNoneOfItBehind) {
    ASSERT_TRUE(forget_numbered_states(tpm));
    write(numbered, relays_of(1, 1));
    ASSERT_TRUE(forget_numbered_states(tpm));
    for (const auto handle : {minimal_state_index_handle, minimal_state_second_handle, counter_index_handle})
        EXPECT_EQ(tpm.nv_area(handle).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace lethe
