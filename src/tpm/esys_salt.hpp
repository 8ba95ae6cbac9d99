#pragma once

#include <tss2/tss2_esys.h>

#include <cstddef>

namespace lethe {

// Two of the callbacks of esys_cryptography(), documented in tss2_esys.h: what makes a session's salt, for the key that it is for. The
// key's public part comes from a disk that an attacker may have written.

/// ECDH with a key that is made for it.
TSS2_RC salt_for_ecc(TPM2B_PUBLIC* key, std::size_t most, TPM2B_ECC_PARAMETER* secret, TPMS_ECC_POINT* own, BYTE* out,
                     std::size_t* out_size, void*) noexcept;

/// OAEP with SHA-256.
TSS2_RC salt_for_rsa(TPM2B_PUBLIC* key, std::size_t size, BYTE* salt, std::size_t most, BYTE* out, std::size_t* out_size, const char* label,
                     void*) noexcept;

}  // namespace lethe
