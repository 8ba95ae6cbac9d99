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

/// How much of ordinary NV memory the TPM takes at once. Fixed for a TPM; how much room it has in all, none of them tells.
struct NvLimits {
    std::uint16_t index_octets;  ///< the largest index
    std::uint16_t write_octets;  ///< the most that one command reads or writes
};

/// What an NV index is like.
struct NvArea {
    std::uint16_t octets;
    bool plain;    ///< as nv_define() makes them: its attributes, and no policy
    bool written;  ///< once at least
};

/// The persistent ECC storage root key.
constexpr std::uint32_t storage_root_handle = 0x81000001;
/// The NV indices that belong to one vault key, all in the owner's range. There are two sets and no more, so that enrolling twice is
/// noticed: a new vault key (vault/rekey.hpp) takes the one that is free.
struct HandleSet {
    std::uint32_t policy;     ///< holds the digest of the policy in force
    std::uint32_t snapshots;  ///< counts the snapshots, a counter
    std::uint32_t anchor;     ///< counts the generations of the store, a counter (vault/anchor.hpp)
    bool operator==(const HandleSet&) const = default;
};
constexpr HandleSet first_handles{0x01800100, 0x01800105, 0x01800106}, second_handles{0x01800108, 0x0180010a, 0x0180010b};
constexpr HandleSet other_than(const HandleSet& handles) { return handles == first_handles ? second_handles : first_handles; }

/// The policy's index in the set that enrolment uses.
constexpr std::uint32_t policy_index_handle = first_handles.policy;
/// The NV indices of a store that lies in the TPM.
constexpr std::array<std::uint32_t, 3> store_index_handles{0x01800101, 0x01800102, 0x01800103};

/// The NV index of the minimal state, an ordinary one.
constexpr std::uint32_t minimal_state_index_handle = 0x01800104;
/// The counters in the set that enrolment uses.
constexpr std::uint32_t counter_index_handle = first_handles.snapshots, anchor_index_handle = first_handles.anchor;
/// The NV index that says that an enrolment is under way, an ordinary one of one octet (vault/enrolment_mark.hpp).
constexpr std::uint32_t enrolling_index_handle = 0x01800107;

/// An NV index that only ever counts up (TPM_NT_COUNTER), for whoever knows its authorisation. The TPM's answers are authenticated with it:
/// an index that somebody else has put in its place is noticed at the next verb, and no value of it is taken.
///
/// Keeps a session in the TPM, so that each verb is one command. When the TPM has lost the session, a verb makes it anew, once. What was
/// derived from the authorisation lies in memory of ESAPI's, which is not locked, while the counter lives.
///
/// Both verbs: @error not_found    the index is gone.
///             @error wrong_state  it is another one than was opened.
class NvCounter {
public:
    virtual ~NvCounter() = default;

    virtual Result<std::uint64_t> read() = 0;

    /// Adds one, for good when it returns. After `tpm_unavailable` it may have been added or not: read() tells.
    virtual Result<void> increment() = 0;
};

/// The verbs of a TPM 2.0 that Lethe uses. One caller at a time.
///
/// Every verb may fail with `tpm_unavailable` (no answer, or a retry that does not end) and `tpm_locked_out`.
class Tpm {
public:
    virtual ~Tpm() = default;

    /// @error invalid_argument  a PCR outside 0..23.
    virtual Result<PcrValues> read_pcrs(std::span<const unsigned> pcrs) = 0;

    /// The storage root key, created (ECC P-256, TCG's template) when the handle is empty. @error wrong_state  the TPM has no room for it.
    virtual Result<TpmReference> storage_root() = 0;

    /// @error not_found  no index is defined at the handle.
    virtual Result<TpmReference> nv_index(std::uint32_t handle) = 0;

    /// @error not_found  no index is defined at the handle.
    virtual Result<NvArea> nv_area(std::uint32_t handle) = 0;

    virtual Result<NvLimits> nv_limits() = 0;

    /// Defines an ordinary index that the owner reads and writes, whose content is public or encrypted: with an empty password, without
    /// dictionary-attack protection. Not written yet.
    ///
    /// @error already_exists    an index is defined at the handle.
    /// @error invalid_argument  no octets, or more than NvLimits::index_octets.
    /// @error wrong_state       the TPM has no room left; or, as for every verb below, its owner hierarchy has a password.
    virtual Result<void> nv_define(std::uint32_t handle, std::uint16_t octets) = 0;

    /// Undefines an index by owner authorisation. @error not_found
    virtual Result<void> nv_undefine(std::uint32_t handle) = 0;

    /// Writes a part of an index, by owner authorisation: in one command when NvLimits::write_octets allow, else in several, of which the
    /// last writes the beginning. What it does not write of an index that was never written is undefined.
    ///
    /// @error not_found         no index is defined at the handle.
    /// @error invalid_argument  no octets, or octets outside the index; nothing has been written.
    /// @error wrong_state       the owner may not write it.
    virtual Result<void> nv_write(std::uint32_t handle, std::uint16_t offset, OctetView octets) = 0;

    /// The whole content of an index that the owner may read.
    /// @error not_found      no index is defined at the handle.
    /// @error wrong_state    it has never been written, or the owner may not read it.
    virtual Result<Octets> nv_read(std::uint32_t handle) = 0;

    /// `count` octets of it; as many commands as NvLimits::write_octets make of them. @error invalid_argument  none, or outside the index
    virtual Result<Octets> nv_read(std::uint32_t handle, std::uint16_t offset, std::uint16_t count) = 0;

    /// Defines a counter, which its authorisation alone reads and increments, without dictionary-attack protection, and increments it once.
    /// It starts above every counter that was ever removed from this TPM: undefined and defined again, it does not go back.
    /// Whoever has the owner's authorisation can undefine it; no TPM prevents that.
    ///
    /// @param authorisation  1 to 32 octets; encrypted on its way.
    /// @error already_exists    an index is defined at the handle.
    /// @error invalid_argument  not such an authorisation.
    /// @error wrong_state       the TPM has no room left, or its owner hierarchy has a password.
    /// Source: TPM 2.0 Part 3, TPM2_NV_Increment.
    virtual Result<void> counter_define(std::uint32_t handle, const Secret& authorisation) = 0;

    /// Opens a counter, which must not outlive this Tpm, and proves that it knows the authorisation: in four commands. Brings a
    /// counter_define() that was cut to its end.
    ///
    /// @error not_found    no index is defined at the handle.
    /// @error wrong_state  it is not a counter as counter_define() makes them, or does not know the authorisation.
    virtual Result<std::unique_ptr<NvCounter>> counter_open(std::uint32_t handle, const Secret& authorisation) = 0;

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
