#pragma once

#include <tss2/tss2_esys.h>

namespace lethe {

/// The cryptography of ESAPI's sessions and names, on OpenSSL's default library context and libsodium. ESAPI's own makes a library context
/// for each hash, HMAC and random number, which takes longer than all else in an opening.
///
/// Hashes: SHA-1, SHA-256, SHA-384 and SHA-512; HMAC with SHA-256 and parameters with AES-128-CFB, which are those of start_session();
/// salts for ECC keys on P-256, P-384 and P-521, and for RSA keys. All else is TSS2_ESYS_RC_NOT_IMPLEMENTED. What is kept between two calls
/// is wiped when it is freed.
///
/// Source: TPM 2.0 Part 1, annexes B.4 and C.6; the callbacks in tss2_esys.h.
ESYS_CRYPTO_CALLBACKS esys_cryptography();

}  // namespace lethe
