#pragma once

#include <functional>
#include <string>
#include <vector>

#include "image/booted_image.hpp"
#include "pcrlock/program.hpp"

namespace lethe {

/// What enrolment works on. Borrowed, all of it.
struct EnrolmentPorts {
    Tpm& tpm;
    Store& store;
    bool store_in_tpm;
    Pcrlock& pcrlock;
    std::function<Result<BootedImage>()> booted_image;
    std::function<void(std::string_view line)> progress;  ///< told before each step what it is
};

struct EnrolmentRequest {
    bool discard = false;              ///< give up the vault of which the TPM still holds the policy; only ever on a person's word
    std::vector<unsigned> extra_pcrs;  ///< besides those that every policy has to hold
    std::vector<std::string> relays;   ///< names of relays that get keys of their own afterwards
    bool insecure_boot = false;        ///< enrol without Secure Boot as well, for laboratories; the policy then holds PCR 2
};

enum class Enrolment { made, there_already };

/// Enrols this machine: locks the running boot into the policy index, and seals a new vault key to it.
///
/// A mark lies in the TPM from before the index is made until the store is anchored, so power may go at any instant: the next enrolment
/// finds it and starts over (vault/enrolment_mark.hpp). The store's `enrolling` object asks for that enrolment at the next boot, and
/// decides nothing. A failure undoes what this call made, in the TPM and in the store.
///
/// @return there_already   the store has a vault; nothing is touched.
/// @error wrong_state      Secure Boot is not on, which is refused before anything is touched; the TPM or the store holds what is left of
/// another vault, or the machine was not booted from a UKI on its ESP.
/// @error invalid_argument a relay's name.
/// @error policy_mismatch  the gate: the running boot cannot be locked completely. Names the PCRs and what is in the way.
Result<Enrolment> enroll(const EnrolmentPorts& ports, const EnrolmentRequest& request);

}  // namespace lethe
