#include "copied_tpm.hpp"

namespace lethe {

namespace {

// FakeTpm cannot be copied, because a Secret cannot: here its members are.
template <auto Failure, auto Room, auto Limits, auto Password, auto Indices, auto Highest, auto Pcrs, auto Seed, auto Sealed>
struct FakeTpmMembers {
    friend void copy_members(const FakeTpm& from, FakeTpm& to) {
        const auto copy = [&](auto... members) { ((to.*members = from.*members), ...); };
        copy(Failure, Room, Limits, Password, Indices, Highest, Pcrs, Seed);
        (to.*Sealed).clear();
        for (const auto& [area, secret] : from.*Sealed) (to.*Sealed).emplace(area, Secret::copy_of(secret.expose()));
    }
};
void copy_members(const FakeTpm& from, FakeTpm& to);
template struct FakeTpmMembers<&FakeTpm::failure_, &FakeTpm::room_octets_, &FakeTpm::limits_, &FakeTpm::owner_password_, &FakeTpm::indices_,
                               &FakeTpm::highest_count_, &FakeTpm::pcrs_, &FakeTpm::seed_, &FakeTpm::sealed_>;

}  // namespace

CopiedTpm::CopiedTpm(const CopiedTpm& other) : FakeTpm() { copy_members(other, *this); }

CopiedTpm& CopiedTpm::operator=(const CopiedTpm& other) {
    if (this != &other) copy_members(other, *this);
    return *this;
}

}  // namespace lethe
