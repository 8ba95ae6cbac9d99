#pragma once

#include "enroll/enroll.hpp"
#include "vault/recovery_key.hpp"

namespace lethe {

struct Reenrolment {
    RecoverySecretKey key;    ///< the operator's; the vault record has the vault key sealed to it
    std::string fingerprint;  ///< of one of the relays in the store, 40 hexadecimal digits
    std::vector<unsigned> extra_pcrs;
    bool insecure_boot = false;                 ///< as EnrolmentRequest has it
    std::optional<std::uint64_t> generation{};  ///< the store's, from an operator who knows why it is older than this machine
};

/// Seals the vault of a store that is here to this TPM and this boot: the store came from another machine, or the TPM was replaced or
/// cleared. The vault key stays the same, so nothing in the store but its record is written, and every identity is what it was.
///
/// Anyone who can write the disk can put another vault key, one of their own, into the record's recovery box. So the key counts only when
/// it opens the identity that the operator names: nobody else can make one with that fingerprint.
///
/// A disk that somebody else writes may hold an older store, with identities that were forgotten or replaced since. So a TPM that has
/// counted this store's generations is asked before anything is changed (Anchor::expect_newest()).
///
/// Power may go at any instant: the store holds a whole record throughout, and the next call, with the same key, starts over.
///
/// @return the names of the relays that the store holds.
/// @error wrong_state       the vault opens in this boot already; Secure Boot is not on; there is no vault; or it was never sealed to a
/// recovery key.
/// @error invalid_argument  another key than the box was made for, no identity with this fingerprint, or not the store's generation.
/// @error rollback          the store is older than what this TPM has counted, and its generation was not given.
/// @error policy_mismatch   the gate: the running boot cannot be locked completely.
/// @error corrupt           the record, the box, or the list of relays is damaged.
Result<std::vector<std::string>> reenroll(const EnrolmentPorts& ports, const Reenrolment& request);

}  // namespace lethe
