// The counters of a FakeTpm.
#include "fake_tpm.hpp"

#include <algorithm>
#include <utility>

namespace lethe {

namespace {

constexpr std::uint16_t counter_octets = 8;

Octets octets_of(std::uint64_t value) { return OctetWriter().u64(value).take(); }

Result<void> check_authorisation(const Secret& authorisation) {
    if (!authorisation.empty() && authorisation.size() <= 32) return {};
    return fail(ErrorKind::invalid_argument, "a counter's authorisation has 1 to 32 octets, not {}", authorisation.size());
}

}  // namespace

class FakeTpm::Counter final : public NvCounter {
public:
    Counter(FakeTpm& tpm, std::uint32_t handle, const Secret& authorisation)
        : tpm_(tpm), handle_(handle), authorisation_(Secret::copy_of(authorisation.expose())) {}

    Result<std::uint64_t> read() override { return value_of(*TRY(tpm_.own_counter(handle_, authorisation_))); }
    Result<void> increment() override {
        if (std::exchange(tpm_.fail_increment_, false)) return fail(ErrorKind::tpm_unavailable, "the TPM does not answer");
        tpm_.increment(*TRY(tpm_.own_counter(handle_, authorisation_)));
        return {};
    }

private:
    FakeTpm& tpm_;
    std::uint32_t handle_;
    Secret authorisation_;
};

Result<FakeTpm::Index*> FakeTpm::own_counter(std::uint32_t handle, const Secret& authorisation) {
    Index* const index = TRY(present_index(handle));
    if (index->counts() && std::ranges::equal(index->authorisation, authorisation.expose())) return index;
    return fail(ErrorKind::wrong_state, "the rollback counter was redefined: the NV index {:#x} is not the one that Lethe made", handle);
}

std::uint64_t FakeTpm::value_of(const Index& counter) { return OctetReader(*counter.content).u64().value(); }

void FakeTpm::increment(Index& counter) { counter.content = octets_of((counter.content ? value_of(counter) : highest_count_) + 1); }

void FakeTpm::define_without_increment(std::uint32_t handle, const Secret& authorisation) {
    const OctetView known = authorisation.expose();
    indices_.emplace(handle, Index{{}, counter_octets, std::nullopt, Octets(known.begin(), known.end())});
}

Result<void> FakeTpm::counter_define(std::uint32_t handle, const Secret& authorisation) {
    TRY(check_authorisation(authorisation));
    TRY(nv_define(handle, counter_octets));
    indices_.erase(handle);
    define_without_increment(handle, authorisation);
    increment(indices_.at(handle));
    return {};
}

Result<std::unique_ptr<NvCounter>> FakeTpm::counter_open(std::uint32_t handle, const Secret& authorisation) {
    TRY(check_authorisation(authorisation));
    Index& counter = *TRY(own_counter(handle, authorisation));
    if (!counter.content) increment(counter);
    return std::make_unique<Counter>(*this, handle, authorisation);
}

}  // namespace lethe
