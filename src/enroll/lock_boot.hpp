#pragma once

#include "enroll/enroll.hpp"
#include "vault/anchor.hpp"

namespace lethe {

/// A boot that systemd-pcrlock accounts for completely.
struct LockedBoot {
    std::vector<unsigned> pcrs;
    EventLog log;
};

/// Whether this boot may be locked. Touches nothing.
/// @param insecure_boot  without Secure Boot as well.
/// @error wrong_state  Secure Boot is not on; the machine was not booted from what is on its ESP; or a vault was opened in this boot.
Result<void> check_boot(const EnrolmentPorts& ports, bool insecure_boot);

/// Writes the components of the running boot and checks that every required PCR is predicted with the value that it has. Touches nothing in
/// the TPM and in the store.
/// @error policy_mismatch  the gate, or a firmware that says that Secure Boot is on and did not measure that. @error wrong_state  the
/// machine was not booted from what is on its ESP.
Result<LockedBoot> lock_boot(const EnrolmentPorts& ports, std::span<const unsigned> extra_pcrs);

/// Makes the policy of that boot, and writes its file to the store, with its encrypted copy. @error as make_checked_policy()
Result<void> make_policy(const EnrolmentPorts& ports, const LockedBoot& boot, const PolicyKeys& keys);

Result<bool> policy_index_exists(Tpm& tpm);

/// Makes the anchor of the store, which is whole: the last step. Then the mark goes. @error as Anchor::make()
Result<void> anchor_store(const EnrolmentPorts& ports, const VaultKeys& key);

/// Undefines the NV index and removes systemd-pcrlock's policy file, as far as they are there: the next make_policy() makes another index.
Result<void> remove_policy(const EnrolmentPorts& ports);

}  // namespace lethe
