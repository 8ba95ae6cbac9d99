#include "measure/bank.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <new>

namespace lethe {
namespace {

struct BankInfo {
    Bank bank;
    std::string_view name;
    std::uint16_t algorithm;
    std::size_t octets;
};
constexpr std::array bank_infos{BankInfo{Bank::sha1, "sha1", 0x0004, 20}, BankInfo{Bank::sha256, "sha256", 0x000b, 32},
                                BankInfo{Bank::sha384, "sha384", 0x000c, 48}, BankInfo{Bank::sha512, "sha512", 0x000d, 64}};

const BankInfo& info(Bank bank) { return bank_infos[static_cast<std::size_t>(bank)]; }

template <class T>
std::optional<Bank> find_bank(T BankInfo::* member, const T& value) {
    const auto found = std::ranges::find(bank_infos, value, member);
    return found == bank_infos.end() ? std::nullopt : std::optional(found->bank);
}

// Fetched once: OpenSSL looks an algorithm up by name for longer than a small digest takes.
const EVP_MD* algorithm(Bank bank) {
    static const std::array fetched{EVP_MD_fetch(nullptr, "SHA1", nullptr), EVP_MD_fetch(nullptr, "SHA256", nullptr),
                                    EVP_MD_fetch(nullptr, "SHA384", nullptr), EVP_MD_fetch(nullptr, "SHA512", nullptr)};
    return fetched[static_cast<std::size_t>(bank)];
}

}  // namespace

std::string_view name_of(Bank bank) { return info(bank).name; }
std::optional<Bank> bank_named(std::string_view name) { return find_bank(&BankInfo::name, name); }
std::uint16_t algorithm_of(Bank bank) { return info(bank).algorithm; }
std::optional<Bank> bank_of(std::uint16_t algorithm) { return find_bank(&BankInfo::algorithm, algorithm); }
std::size_t digest_octets(Bank bank) { return info(bank).octets; }

struct BankHash::Context {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(context); }
};

BankHash::BankHash(Bank bank) : bank_(bank), context_(std::make_unique<Context>()) {
    // Fails only for want of memory.
    if (!context_->context || EVP_DigestInit_ex(context_->context, algorithm(bank), nullptr) != 1) throw std::bad_alloc();
}
BankHash::BankHash(const BankHash& other) : bank_(other.bank_), context_(std::make_unique<Context>()) {
    if (!context_->context || EVP_MD_CTX_copy_ex(context_->context, other.context_->context) != 1) throw std::bad_alloc();
}
BankHash::BankHash(BankHash&&) noexcept = default;
BankHash& BankHash::operator=(BankHash&&) noexcept = default;
BankHash::~BankHash() = default;

BankHash& BankHash::update(OctetView octets) {
    EVP_DigestUpdate(context_->context, octets.data(), octets.size());
    return *this;
}

BankDigest BankHash::finish() {
    BankDigest digest{.bank = bank_};
    EVP_DigestFinal_ex(context_->context, digest.octets.data(), nullptr);
    return digest;
}

BankDigest hash_of(Bank bank, OctetView octets) { return BankHash(bank).update(octets).finish(); }

BankDigest extended(const BankDigest& value, const BankDigest& digest) {
    return BankHash(value.bank).update(value.view()).update(digest.view()).finish();
}

}  // namespace lethe
