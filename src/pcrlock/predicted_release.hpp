#pragma once

#include "measure/prediction.hpp"
#include "pcrlock/component.hpp"

namespace lethe {

/// The phases at whose end the vault may be opened: the locations that make-policy is given (`--location`) admit these and no others.
inline constexpr std::array<std::string_view, 2> opening_phases{"sysinit", "ready"};

/// What is known of a boot of a release on this machine before it happens.
struct PredictedRelease {
    std::vector<Record> records;   ///< of its component of systemd-pcrlock, in the order of the event log
    std::vector<PcrValues> boots;  ///< after each of the opening phases
};

/// Puts what the release extends in the place of what the running one has. What the firmware extends into PCR 4 before it starts the UKI
/// stays as it was in this boot; so does every PCR that a release has no part in, 7 among them: its image has to be signed with the
/// certificate that the running one was checked with.
///
/// @param events         of the release, in SHA-256.
/// @param log            of the running boot.
/// @param running_image  what that log has in PCR 4 for the running UKI.
/// @param present        the PCRs that are wanted, with their present values.
/// @error wrong_state  the running image is not in the log.
/// @error not_found    an event has no SHA-256 digest.
Result<PredictedRelease> predict_release(const PredictedEvents& events, const EventLog& log, const Digest& running_image,
                                         const PcrValues& present);

}  // namespace lethe
