#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/octets.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace lethe {

/// A SHA-256 digest: of a PCR, a policy, a name. The SHA-256 bank is the only one that is used.
using Digest = std::array<std::uint8_t, 32>;
using PcrValues = std::map<unsigned, Digest>;

/// One PCR of a policy with the values that are admitted, in the order in which the policy names them.
struct AdmittedPcr {
    unsigned pcr;
    std::vector<Digest> values;
    bool operator==(const AdmittedPcr&) const = default;
};
/// What systemd-pcrlock writes into its NV index, as its JSON file has it. Evaluated in ascending order of the PCRs (evaluation_order).
using PcrPolicy = std::vector<AdmittedPcr>;

/// A persistent object or NV index, pinned to its name: serialised by ESYS_TR. Another TPM, or another index at the same handle, is
/// refused.
struct TpmReference {
    Octets serialized;
    Octets name;  ///< 34 octets: algorithm and digest
    bool operator==(const TpmReference&) const = default;
};

/// A keyed-hash object that only its parent can load. Both parts are marshalled TPM2B structures; neither is a secret.
struct SealedObject {
    Octets public_area;
    Octets private_area;
    bool operator==(const SealedObject&) const = default;
};

/// The persistent ECC storage root key.
constexpr std::uint32_t storage_root_handle = 0x81000001;
/// The NV index that holds the digest of the policy in force: in the owner's range, and always the same, so that enrolling twice is
/// noticed.
constexpr std::uint32_t policy_index_handle = 0x01800100;

/// The verbs of a TPM 2.0 that Lethe uses. One caller at a time.
///
/// Every verb may fail with `tpm_unavailable` (no answer, or a retry that does not end) and `tpm_locked_out`.
class Tpm {
public:
    virtual ~Tpm() = default;

    /// @error invalid_argument  a PCR outside 0..23.
    virtual Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) = 0;

    /// The storage root key, created (ECC P-256, the TCG template that systemd uses) when the handle is empty.
    virtual Result<TpmReference> storage_root() = 0;

    /// @error not_found  no index is defined at the handle.
    virtual Result<TpmReference> nv_index(std::uint32_t handle) = 0;

    /// The whole content of an index that the owner may read.
    /// @error not_found      no index is defined at the handle.
    /// @error wrong_state    it has never been written.
    virtual Result<Octets> nv_read(std::uint32_t handle) = 0;

    /// Undefines an index by owner authorisation. @error not_found
    virtual Result<void> nv_undefine(std::uint32_t handle) = 0;

    /// Seals at most 128 octets under `root`, usable with `policy` only, without dictionary-attack protection (noDA), over a salted,
    /// parameter-encrypted session.
    virtual Result<SealedObject> seal(const TpmReference& root, const Secret& secret, const Digest& policy) = 0;

    /// Opens what was sealed to PolicyAuthorizeNV of `index`, whose content is the digest of `policy`. At most 8 commands, and 2 more for
    /// each PCR that has several values; starts again when a PCR changes in between.
    ///
    /// @error policy_mismatch  the TPM refuses: a PCR has no admitted value (named), or `policy` is not the one that the index holds.
    /// @error wrong_state      `root` or `index` is not the one that was pinned: another TPM, a cleared one, a redefined index.
    /// @error corrupt          the object does not load under `root`.
    virtual Result<Secret> unseal(const TpmReference& root, const TpmReference& index, const SealedObject& object,
                                  const PcrPolicy& policy) = 0;
};

}  // namespace lethe
