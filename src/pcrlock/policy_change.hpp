#pragma once

#include "pcrlock/policy_in_force.hpp"
#include "pcrlock/program.hpp"

namespace lethe {

/// Makes the policy of the components that there are, which defines the NV index or rewrites it, and checks what was written: the policy
/// file has every required PCR with its present value, and the index holds the digest of that file.
///
/// @param keys  say which index it is, and have its PIN.
/// @param log  of this boot, to say why a PCR is not there.
/// @error policy_mismatch  one of these does not hold.
Result<PolicyFile> make_checked_policy(Tpm& tpm, Pcrlock& pcrlock, std::span<const unsigned> pcrs, const PolicyKeys& keys,
                                       const EventLog& log);

/// A policy in the place of the one in force: what the components that there are admit.
struct PolicyChange {
    std::vector<unsigned> pcrs;    ///< that it has to hold
    std::vector<PcrValues> boots;  ///< to which it has to open the vault, at each moment at which that is opened; besides the present boot
};

/// Writes the file of a policy that comes next into the slot that does not hold the one in force, so that change_policy() to it writes to
/// the NV index alone: a disk that refuses to write by then cannot hold the policy that is in force now.
/// @param in_force  as change_policy() returned it.
/// @error io
Result<void> make_ready(Store& store, const PolicyFile& in_force, const PcrPolicy& next);

/// Changes the policy in the NV index, so that power can go at any instant: the policy file that systemd-pcrlock is going to write is in
/// the store, beside the one in force and with its encrypted copy, before the index is written. Proves afterwards that the vault opens to
/// the present boot and to all of `change.boots`. Nothing to do when that policy is in force already. Where the file was made ready the
/// store need not be written: a copy that cannot be is made by repair_policy_file() later.
///
/// @param in_force  as repair_policy_file() has found it.
/// @return the file that is in force, from the store.
/// @error policy_mismatch  the gate or the proof: before the index was written, unless the message says otherwise.
Result<PolicyFile> change_policy(Tpm& tpm, Store& store, Pcrlock& pcrlock, const PolicyFile& in_force, const PolicyKeys& keys,
                                 const PolicyChange& change);

}  // namespace lethe
