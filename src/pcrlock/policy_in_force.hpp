#pragma once

#include "pcrlock/policy_file.hpp"
#include "vault/vault.hpp"

namespace lethe {

// The policy file that is in force, whatever became of what lies in the store. Its slots are not encrypted, since the vault is opened with
// them: anyone who can write to the disk can change them. What a boot needs of them, the values of the PCRs, the TPM confirms. The rest is
// what systemd-pcrlock builds on when it writes the policy again; that is compared with an encrypted copy.

/// What became of the policy file, with what was done about it.
struct PolicyFileInForce {
    PolicyFile file;       ///< generation 0 when no slot of the store has it
    std::string repaired;  ///< one sentence; empty when nothing had to be done
};

/// What a slot of the store has that does for this policy file, all of it that a boot needs: the index and the values. It is read from the
/// disk, not from what the system remembers of it.
/// @return nothing where no slot has it, or the disk does not confirm that it has written what it was given.
Result<std::optional<PolicyFile>> find_policy_slot(Store& store, const PolicyFile& file);

/// Writes a policy file into the slot that does not hold the one in force, with which the vault opens.
/// @return its generation.
/// @error io
Result<std::uint64_t> write_policy_slot(Store& store, const PolicyFile& file, const PolicyFile& in_force);

/// Writes the encrypted copy. A store in the TPM has no room for one, and its policy never changes.
/// @error io
Result<void> write_policy_copy(Store& store, const PolicyKeys& keys, const PolicyFile& file);

/// Leaves in the store's slots only policy files of this NV index, the one that opens the vault: a re-keying (vault/rekey.hpp) has brought
/// one of another, or none is whole.
/// @error rollback  none is in force.
Result<void> drop_files_of_other_indices(Tpm& tpm, Store& store, std::uint32_t index);

/// Finds the policy file in force and repairs what is damaged: a slot whose file is not the one of the copy, a copy that is missing (stores
/// of earlier releases have none), both slots when neither is in force and the copy is. When all are lost, the file is made again from the
/// TPM, without any value of a PCR: enough to write the next policy with its PIN, and admitting nothing by itself. What cannot be written
/// is said in `repaired`.
///
/// @error not_found  the index is not defined.
/// @error io
Result<PolicyFileInForce> repair_policy_file(Tpm& tpm, Store& store, const PolicyKeys& keys);

}  // namespace lethe
