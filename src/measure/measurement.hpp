#pragma once

#include <map>

#include "measure/bank.hpp"

namespace lethe {

/// A TPM of a PC has PCRs 0 to 23. Source: TCG PC Client Platform TPM Profile, "PCR Requirements".
inline constexpr unsigned pcr_count = 24;

/// What goes where. Source: TCG PC Client Platform Firmware Profile, "PCR Usage"; UAPI, Linux TPM PCR Registry.
namespace pcr {
inline constexpr unsigned boot_loader_code = 4;
inline constexpr unsigned secure_boot_policy = 7;
inline constexpr unsigned kernel_initrd = 9;
inline constexpr unsigned kernel_boot = 11;
inline constexpr unsigned kernel_config = 12;
inline constexpr unsigned sysexts = 13;
}  // namespace pcr

/// The digests of one event, at most one of each bank.
using BankDigests = std::map<Bank, BankDigest>;

/// Adds a digest to those of an event. @error corrupt  it has another length than the bank's digests, or the event has one of that bank.
Result<void> add_digest(BankDigests& digests, Bank bank, OctetView octets);

/// What is extended into a PCR, in one bank.
struct Measurement {
    unsigned pcr;
    BankDigest digest;

    bool operator==(const Measurement&) const = default;
};

/// What an event extends in one bank. @error not_found  it has no digest of that bank.
Result<Measurement> measurement_in(Bank bank, unsigned pcr, const BankDigests& digests);

}  // namespace lethe
