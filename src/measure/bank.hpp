#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "base/octets.hpp"
#include "base/result.hpp"

namespace lethe {

/// The hash algorithms that a TPM's PCRs may be kept in.
enum class Bank { sha1, sha256, sha384, sha512 };
inline constexpr std::array all_banks{Bank::sha1, Bank::sha256, Bank::sha384, Bank::sha512};

/// "sha256".
std::string_view name_of(Bank bank);
std::optional<Bank> bank_named(std::string_view name);
/// TPM_ALG_ID. Source: TCG Algorithm Registry.
std::uint16_t algorithm_of(Bank bank);
std::optional<Bank> bank_of(std::uint16_t algorithm);
std::size_t digest_octets(Bank bank);

/// A digest of one bank.
struct BankDigest {
    Bank bank = Bank::sha256;
    std::array<std::uint8_t, 64> octets{};  ///< the first digest_octets() of them count, the others are zero

    OctetView view() const { return OctetView(octets).first(digest_octets(bank)); }
    bool operator==(const BankDigest&) const = default;
};

/// Hashes what it is given piece by piece. A copy goes on by itself; finish() ends one.
class BankHash {
public:
    explicit BankHash(Bank bank);
    BankHash(const BankHash&);
    BankHash& operator=(const BankHash& other) { return *this = BankHash(other); }
    BankHash(BankHash&&) noexcept;
    BankHash& operator=(BankHash&&) noexcept;
    ~BankHash();

    BankHash& update(OctetView octets);
    BankDigest finish();

private:
    struct Context;
    Bank bank_;
    std::unique_ptr<Context> context_;
};

BankDigest hash_of(Bank bank, OctetView octets);

/// What a PCR holds after an event: H(value || digest). Both of one bank. Source: TPM 2.0 Part 1, "PCR Extend".
BankDigest extended(const BankDigest& value, const BankDigest& digest);

}  // namespace lethe
