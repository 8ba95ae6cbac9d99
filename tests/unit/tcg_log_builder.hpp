#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include "measure/event_types.hpp"
#include "measure/measurement.hpp"

namespace lethe {

/// Writes a firmware's event log as a test wants it, its mistakes included. Numbers are little-endian.
class TcgLogBuilder {
public:
    /// An algorithm and the size of its digests.
    using Algorithm = std::pair<std::uint16_t, std::uint16_t>;
    static constexpr Algorithm sha1{0x0004, 20}, sha256{0x000b, 32}, sm3{0x0012, 32};

    TcgLogBuilder& u16(std::uint16_t value) { return number(value, 2); }
    TcgLogBuilder& u32(std::uint32_t value) { return number(value, 4); }
    TcgLogBuilder& raw(OctetView octets) {
        octets_.insert(octets_.end(), octets.begin(), octets.end());
        return *this;
    }
    TcgLogBuilder& raw(std::string_view text) { return raw(as_octets(text)); }

    /// An event in the SHA-1 format; without a digest, that of its data.
    TcgLogBuilder& sha1_event(std::uint32_t pcr, std::uint32_t type, std::string_view data, std::optional<BankDigest> digest = {}) {
        u32(pcr).u32(type).raw(digest.value_or(hash_of(Bank::sha1, as_octets(data))).view());
        return u32(static_cast<std::uint32_t>(data.size())).raw(data);
    }

    /// The first event of a crypto-agile log.
    TcgLogBuilder& spec_id(std::initializer_list<Algorithm> algorithms, std::string_view vendor = {"\0", 1}) {
        TcgLogBuilder data;
        data.raw({"Spec ID Event03", 16}).u32(0).raw({"\0\2\0\2", 4}).u32(static_cast<std::uint32_t>(algorithms.size()));
        for (const auto& [id, octets] : algorithms) data.u16(id).u16(octets);
        data.raw(vendor);
        return sha1_event(0, event_type::no_action, as_text(data.octets_), BankDigest{.bank = Bank::sha1});
    }

    /// An event in the crypto-agile format with the digests of its data.
    TcgLogBuilder& event(std::uint32_t pcr, std::uint32_t type, std::string_view data, std::initializer_list<Bank> banks) {
        u32(pcr).u32(type).u32(static_cast<std::uint32_t>(banks.size()));
        for (const Bank bank : banks) u16(algorithm_of(bank)).raw(hash_of(bank, as_octets(data)).view());
        return u32(static_cast<std::uint32_t>(data.size())).raw(data);
    }

    const Octets& octets() const { return octets_; }

private:
    TcgLogBuilder& number(std::uint32_t value, unsigned octets) {
        for (unsigned i = 0; i < octets; ++i) octets_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
        return *this;
    }

    Octets octets_;
};

}  // namespace lethe
