#pragma once

#include "tpm/esys_context.hpp"
#include "tpm/tpm.hpp"

namespace lethe {

/// No index has a longer authorisation: the digest of its name algorithm, SHA-256.
constexpr std::size_t most_authorisation_octets = 32;

/// What counter_define() makes: not written yet, and without TPMA_NV_WRITTEN.
TPM2B_NV_PUBLIC counter_area(std::uint32_t handle);
/// The name of such an index, which says all of it but its value and its authorisation. @param written  once at least
Octets counter_name(std::uint32_t handle, bool written);

/// @error invalid_argument
Result<void> check_authorisation(const Secret& authorisation);

}  // namespace lethe
