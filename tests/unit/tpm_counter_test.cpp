// What every Tpm does with a counter, held against the fake and against a real TPM.
#include <gtest/gtest.h>

#include "fake_tpm.hpp"
#include "software_tpm.hpp"

using namespace lethe;

namespace {

constexpr std::uint32_t handle = counter_index_handle;

template <class T>
class CounterContract : public testing::Test {
protected:
    std::unique_ptr<NvCounter> defined() {
        EXPECT_TRUE(tpm->counter_define(handle, authorisation));
        return opened();
    }
    std::unique_ptr<NvCounter> opened() {
        auto counter = tpm->counter_open(handle, authorisation);
        EXPECT_TRUE(counter) << counter.error().message;
        return counter ? std::move(*counter) : nullptr;
    }
    /// Of opening what is at the handle.
    Error refusal() {
        const auto counter = tpm->counter_open(handle, authorisation);
        EXPECT_FALSE(counter);
        const Error error = counter ? Error{ErrorKind::io, ""} : counter.error();
        EXPECT_FALSE(error.message.contains('\n'));
        return error;
    }
    void expect_redefined(const Error& error) {
        EXPECT_EQ(error.kind, ErrorKind::wrong_state) << error.message;
        EXPECT_TRUE(error.message.contains("the rollback counter was redefined")) << error.message;
    }

    std::unique_ptr<T> tpm = std::make_unique<T>();
    Secret authorisation = Secret::random(32), other = Secret::random(32);
};

using Implementations = testing::Types<FakeTpm, SoftwareTpm>;
TYPED_TEST_SUITE(CounterContract, Implementations);

TYPED_TEST(CounterContract, CountsUpByOne) {
    const auto counter = this->defined();
    const std::uint64_t first = counter->read().value();
    EXPECT_GT(first, 0U);
    for (std::uint64_t more = 1; more <= 3; ++more) {
        ASSERT_TRUE(counter->increment());
        EXPECT_EQ(counter->read().value(), first + more);
    }
}

TYPED_TEST(CounterContract, IsTheSameAfterAPowerCycleAndForTheNextOpener) {
    auto counter = this->defined();
    const std::uint64_t value = counter->read().value();
    counter.reset();
    this->tpm->power_cycle();
    counter = this->opened();
    EXPECT_EQ(counter->read().value(), value);
    EXPECT_TRUE(counter->increment());
    EXPECT_EQ(this->opened()->read().value(), value + 1);
}

TYPED_TEST(CounterContract, GoesOnWhenTheTpmIsResetUnderIt) {
    const auto counter = this->defined();
    const std::uint64_t value = counter->read().value();
    this->tpm->power_cycle();
    EXPECT_TRUE(counter->increment());
    this->tpm->power_cycle();
    EXPECT_EQ(counter->read().value(), value + 1);
}

TYPED_TEST(CounterContract, IsDefinedOnce) {
    const auto counter = this->defined();
    const std::uint64_t value = counter->read().value();
    EXPECT_EQ(this->tpm->counter_define(handle, this->authorisation).error().kind, ErrorKind::already_exists);
    EXPECT_EQ(this->tpm->counter_define(handle, this->other).error().kind, ErrorKind::already_exists);
    EXPECT_EQ(counter->read().value(), value);
}

TYPED_TEST(CounterContract, ThatIsNotThereIsNotFound) {
    EXPECT_EQ(this->refusal().kind, ErrorKind::not_found);
    ASSERT_TRUE(this->tpm->storage_root());
    EXPECT_EQ(this->refusal().kind, ErrorKind::not_found);
    const auto counter = this->defined();
    ASSERT_TRUE(this->tpm->nv_undefine(handle));
    EXPECT_EQ(counter->read().error().kind, ErrorKind::not_found);
    EXPECT_EQ(counter->increment().error().kind, ErrorKind::not_found);
    EXPECT_EQ(this->refusal().kind, ErrorKind::not_found);
}

TYPED_TEST(CounterContract, NotTheHandleOfAnIndexIsInvalid) {
    EXPECT_EQ(this->tpm->counter_define(storage_root_handle, this->authorisation).error().kind, ErrorKind::invalid_argument);
    EXPECT_EQ(this->tpm->counter_open(storage_root_handle, this->authorisation).error().kind, ErrorKind::invalid_argument);
}

TYPED_TEST(CounterContract, TakesAnAuthorisationOf1To32Octets) {
    for (const std::size_t size : {0, 33}) {
        EXPECT_EQ(this->tpm->counter_define(handle, Secret(size)).error().kind, ErrorKind::invalid_argument);
        EXPECT_EQ(this->tpm->counter_open(handle, Secret(size)).error().kind, ErrorKind::invalid_argument);
    }
    this->authorisation = Secret::random(1);
    this->authorisation.expose_mutable()[0] = 7;
    EXPECT_TRUE(this->defined()->increment());
}

TYPED_TEST(CounterContract, TakesAnAuthorisationThatEndsWithZeros) {
    for (const std::size_t at : {30, 31}) this->authorisation.expose_mutable()[at] = 0;
    EXPECT_TRUE(this->defined()->increment());
}

TYPED_TEST(CounterContract, WithAnotherAuthorisationIsRefusedAsRedefined) {
    ASSERT_TRUE(this->tpm->counter_define(handle, this->other));
    this->expect_redefined(this->refusal());
    std::swap(this->authorisation, this->other);
    EXPECT_TRUE(this->opened()->increment());
}

TYPED_TEST(CounterContract, RedefinedByAnotherWhileItIsOpenIsRefused) {
    const auto counter = this->defined();
    ASSERT_TRUE(this->tpm->nv_undefine(handle));
    ASSERT_TRUE(this->tpm->counter_define(handle, this->other));
    this->expect_redefined(counter->read().error());
    this->expect_redefined(counter->increment().error());
}

TYPED_TEST(CounterContract, AnOrdinaryIndexWithAChosenValueInItsPlaceIsRefused) {
    const auto counter = this->defined();
    const std::uint64_t value = counter->read().value();
    ASSERT_TRUE(this->tpm->nv_undefine(handle));
    ASSERT_TRUE(this->tpm->nv_define(handle, 8));
    this->expect_redefined(this->refusal());
    ASSERT_TRUE(this->tpm->nv_write(handle, 0, OctetWriter().u64(value).octets()));
    this->expect_redefined(this->refusal());
    this->expect_redefined(counter->read().error());
    this->expect_redefined(counter->increment().error());
}

TYPED_TEST(CounterContract, UndefinedAndDefinedAgainStartsAboveEveryCounterThatWasRemoved) {
    auto counter = this->defined();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(counter->increment());
    const std::uint64_t value = counter->read().value();
    ASSERT_TRUE(this->tpm->nv_undefine(handle));
    counter = this->defined();
    EXPECT_EQ(counter->read().value(), value + 1) << "its own former value";

    ASSERT_TRUE(this->tpm->counter_define(handle + 1, this->other));
    const auto neighbour = this->tpm->counter_open(handle + 1, this->other).value();
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(neighbour->increment());
    const std::uint64_t highest = neighbour->read().value();
    ASSERT_GT(highest, value + 1);
    ASSERT_TRUE(this->tpm->nv_undefine(handle + 1));
    ASSERT_TRUE(this->tpm->nv_undefine(handle));
    this->tpm->power_cycle();
    counter = this->defined();
    EXPECT_EQ(counter->read().value(), highest + 1) << "another one's";
}

TYPED_TEST(CounterContract, RedefinedByAnotherCannotBeBroughtBackToAnOldValue) {
    auto counter = this->defined();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(counter->increment());
    const std::uint64_t value = counter->read().value();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(this->tpm->nv_undefine(handle));
        ASSERT_TRUE(this->tpm->counter_define(handle, this->other));
    }
    ASSERT_TRUE(this->tpm->nv_undefine(handle));
    EXPECT_GT(this->defined()->read().value(), value);
}

TYPED_TEST(CounterContract, IsNotTheOwnersToReadOrToWrite) {
    const auto counter = this->defined();
    const std::uint64_t value = counter->read().value();
    EXPECT_EQ(this->tpm->nv_read(handle, 0, 8).error().kind, ErrorKind::wrong_state);
    EXPECT_EQ(this->tpm->nv_write(handle, 0, Octets(8)).error().kind, ErrorKind::wrong_state);
    EXPECT_FALSE(this->tpm->nv_area(handle)->plain);
    EXPECT_EQ(counter->read().value(), value);
}

TYPED_TEST(CounterContract, NeedsTheOwnerToBeDefinedAndNoMore) {
    const auto counter = this->defined();
    this->tpm->set_owner_password("unknown");
    const auto refused = this->tpm->counter_define(handle + 1, this->authorisation);
    EXPECT_EQ(refused.error().kind, ErrorKind::wrong_state);
    EXPECT_TRUE(refused.error().message.contains("owner hierarchy has a password")) << refused.error().message;
    EXPECT_TRUE(counter->increment());
    EXPECT_TRUE(this->opened()->increment());
}

}  // namespace
