#pragma once

#include <array>
#include <optional>

#include "tpm/tpm.hpp"

namespace lethe {

/// What was begun on this machine and is not at its end, as the TPM says (enrolling_index_handle). Nothing that lies in a store can say it:
/// whoever writes the disk would have the TPM's indices undefined.
enum class UnderWay : std::uint8_t {
    nothing = 0,
    enrolment = 'E',  ///< whatever there is in TPM and store is worth nothing: it is undone, and begun again
    adoption = 'A',   ///< the vault in the store counts; its anchor is made when it is opened next, if the proof is good
};

/// @error wrong_state  an index of somebody else's is in the place.
Result<UnderWay> read_mark(Tpm& tpm);
Result<void> set_mark(Tpm& tpm, UnderWay what);

/// What makes an adoption good: whoever owns the TPM can write the mark, and only the vault key makes this. It is of one value of the
/// anchor's counter, so that it is worth nothing once that has counted.
using AdoptionProof = std::array<std::uint8_t, 16>;
/// @param authorisation  of the anchor's counter.
AdoptionProof prove_adoption(const Secret& authorisation, std::uint64_t counted);
/// Sets the mark of an adoption, with its proof.
Result<void> set_adoption(Tpm& tpm, const AdoptionProof& proof);
/// That beside the mark, whatever it is worth; nothing when there is none.
Result<std::optional<AdoptionProof>> read_adoption_proof(Tpm& tpm);

/// Nothing to do when there is none.
Result<void> clear_mark(Tpm& tpm);

/// Whether the TPM has the index. @error as Tpm::nv_index()
Result<bool> index_exists(Tpm& tpm, std::uint32_t handle);
/// Whether the TPM knows of a store's generations, whoever's they are.
Result<bool> anchor_exists(Tpm& tpm);
/// Undefines the counters of the store's generations, of both sets; nothing to do when there is none.
Result<void> forget_anchor(Tpm& tpm);
/// Nothing to do when it is not there.
Result<void> undefine_if_there(Tpm& tpm, std::uint32_t handle);

}  // namespace lethe
