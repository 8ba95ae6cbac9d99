#pragma once

#include "tpm/tpm.hpp"
#include "vault/store.hpp"

namespace lethe {

/// The parts of systemd-pcrlock's policy file (/var/lib/systemd/pcrlock.json) that Lethe uses. Source: systemd 257, pcrlock.c.
struct PolicyFile {
    PcrPolicy policy;
    std::uint32_t nv_handle;
    std::string json;              ///< the file as it is, to be put back at the next boot
    std::uint64_t generation = 0;  ///< in the store; 0 when it is not from there
};

/// @error corrupt  not JSON, another bank than SHA-256, a field missing or of the wrong type or size, more than 64 KiB.
Result<PolicyFile> parse_policy_file(std::string_view json);

/// The file that systemd-pcrlock will write when it puts another policy into the index of `file`: all else stays as it is.
/// Source: systemd 257, pcrlock.c, make_policy(): "the old serializations for NV, SRK, PIN remain the same".
/// @error corrupt  as parse_policy_file().
Result<PolicyFile> with_policy(const PolicyFile& file, const PcrPolicy& policy);

/// The policy files in the store's two slots, newest first. Slots that do not parse are left out.
/// @error not_found  no slot holds one.
/// @error io
Result<std::vector<PolicyFile>> read_policy_files(const Store& store);

/// Of these, the one of this NV index whose digest is what it holds.
/// @error rollback   none is: an older policy has been put back, or the newer one is lost.
/// @error not_found  the index is not defined.
Result<PolicyFile> confirmed_policy_file(Tpm& tpm, const std::vector<PolicyFile>& files, std::uint32_t index);

}  // namespace lethe
