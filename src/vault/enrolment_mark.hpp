#pragma once

#include <optional>

#include "tpm/tpm.hpp"

namespace lethe {

/// What was begun on this machine and is not at its end, as the TPM says (enrolling_index_handle). Nothing that lies in a store can say it:
/// whoever writes the disk would have the TPM's indices undefined.
enum class UnderWay : std::uint8_t {
    nothing = 0,
    enrolment = 'E',  ///< whatever there is in TPM and store is worth nothing: it is undone, and begun again
    adoption = 'A',   ///< the vault in the store counts; its anchor is made when it is opened next
};

/// @error wrong_state  an index of somebody else's is in the place.
Result<UnderWay> read_mark(Tpm& tpm);
Result<void> set_mark(Tpm& tpm, UnderWay what);
/// Nothing to do when there is none.
Result<void> clear_mark(Tpm& tpm);

/// Whether the TPM knows of a store's generations, whoever's they are. @error as Tpm::nv_index()
Result<bool> anchor_exists(Tpm& tpm);
/// Undefines the counter of the store's generations; nothing to do when there is none.
Result<void> forget_anchor(Tpm& tpm);

}  // namespace lethe
