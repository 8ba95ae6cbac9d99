#pragma once

#include <span>
#include <string>
#include <vector>

#include "measure/measurement.hpp"

namespace lethe {

/// One extend of a PCR. A boot is a list of them, in the order of the events.
struct MeasuredEvent {
    unsigned pcr = 0;
    std::string what;  ///< for a person: ".linux: contents"
    BankDigests digests;

    bool operator==(const MeasuredEvent&) const = default;
};

/// Hashes in several banks what it is given piece by piece, reading it once. A copy goes on by itself; finish() ends one.
class BankHashes {
public:
    explicit BankHashes(std::span<const Bank> banks);

    BankHashes& update(OctetView octets);
    BankHashes& zeros(std::size_t count);
    BankDigests finish();

private:
    std::vector<std::pair<Bank, BankHash>> hashes_;
};

MeasuredEvent measured(unsigned pcr, std::string what, OctetView octets, std::span<const Bank> banks);

}  // namespace lethe
