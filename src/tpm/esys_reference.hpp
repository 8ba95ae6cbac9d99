#pragma once

#include "tpm/esys_context.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

enum class ReferenceKind { storage_root, nv_index };

/// Whether the reference is whole: of this kind, and with the name that its own public area has. It comes from a disk that an attacker may
/// have written, and ESAPI believes what it deserialises. @error corrupt
Result<void> check_reference(const TpmReference& reference, ReferenceKind kind);

/// The handle in the TPM that a reference is for. Of one that check_reference() has passed.
TPM2_HANDLE handle_of(const TpmReference& reference);

/// Makes a reference usable in a context, which frees it. Sends no command: ESAPI takes the name from the reference, and so pins it.
/// @error corrupt
Result<ESYS_TR> resolve(const EsysContext& esys, const TpmReference& reference, ReferenceKind kind);

/// An NV index for commands that are authorised with a password and so need no name: sends none to ask for it, and so does not know whether
/// the index is there. @error invalid_argument
Result<ESYS_TR> unnamed_index(const EsysContext& esys, TPM2_HANDLE handle);

/// @error invalid_argument  not the handle of an NV index.
Result<void> check_index_handle(TPM2_HANDLE handle);

/// What is at the handle now; one command.
/// @error not_found  nothing.
Result<TpmReference> present_reference(const EsysContext& esys, TPM2_HANDLE handle, ReferenceKind kind);

/// Whether the key may be a parent of secrets: a storage key that was made in this TPM and cannot leave it. Anyone can put a key of his own
/// at the handle of the storage root key, once the handle is empty.
/// @error wrong_state
Result<void> check_storage_root(const TpmReference& reference);

}  // namespace lethe
