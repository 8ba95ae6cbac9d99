#include "measure/measured_event.hpp"

#include <algorithm>

namespace lethe {

// Small enough to stay in the processor's cache until the last bank has read it.
constexpr std::size_t piece_octets = 64 * 1024;

BankHashes::BankHashes(std::span<const Bank> banks) {
    for (const Bank bank : banks) hashes_.emplace_back(bank, BankHash(bank));
}

BankHashes& BankHashes::update(OctetView octets) {
    while (!octets.empty()) {
        const OctetView piece = octets.first(std::min(octets.size(), piece_octets));
        for (auto& [bank, hash] : hashes_) hash.update(piece);
        octets = octets.subspan(piece.size());
    }
    return *this;
}

BankHashes& BankHashes::zeros(std::size_t count) {
    static constexpr std::array<std::uint8_t, 4096> some{};
    for (; count > 0; count -= std::min(count, some.size())) update(OctetView(some).first(std::min(count, some.size())));
    return *this;
}

BankDigests BankHashes::finish() {
    BankDigests digests;
    for (auto& [bank, hash] : hashes_) digests.emplace(bank, hash.finish());
    return digests;
}

MeasuredEvent measured(unsigned pcr, std::string what, OctetView octets, std::span<const Bank> banks) {
    return {.pcr = pcr, .what = std::move(what), .digests = BankHashes(banks).update(octets).finish()};
}

}  // namespace lethe
