#pragma once

#include <array>
#include <chrono>
#include <map>
#include <optional>

#include "vault/object.hpp"

namespace lethe {

/// Whether a ledger lists objects of this kind: all but snapshots, which have a counter of their own, and what the TPM confirms or does not
/// count.
bool is_in_ledger(ObjectKind kind);

/// Of an object's payload: BLAKE2b-256.
using ObjectDigest = std::array<std::uint8_t, 32>;
ObjectDigest digest_of_payload(OctetView payload);

/// What each object of the store holds in one generation of it: the payload of the `ledger` object, whose number is the generation's. It
/// lists everything but snapshots, which have a number of their own; the policy, which the NV index confirms; and `enrolling`, which
/// decides nothing. An object that is not listed must not be there. Layout in docs/formats.md, "Ledger".
struct Ledger {
    struct Entry {
        std::optional<ObjectDigest> current;  ///< none: there is no such object
        bool changes = false;                 ///< a change has been announced and may have been cut: it is either of the two
        std::optional<ObjectDigest> next{};   ///< what it changes to; none: it is erased

        bool admits(const std::optional<ObjectDigest>& digest) const { return digest == current || (changes && digest == next); }
        bool operator==(const Entry&) const = default;
    };

    std::chrono::sys_seconds enrolled;  ///< or taken over
    bool taken_over = false;            ///< from a release that kept no ledger
    bool rekeyed = false;               ///< after that: the PIN of the policy's index derives from the vault key since then
    std::map<ObjectId, Entry> entries{};
    bool operator==(const Ledger&) const = default;
};

Secret encode_ledger(const Ledger& ledger);
/// @error corrupt
Result<Ledger> decode_ledger(const Secret& payload);

}  // namespace lethe
