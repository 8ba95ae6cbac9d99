#pragma once

#include "measure/prediction.hpp"
#include "pcrlock/component.hpp"

namespace lethe {

/// The phases at whose end the vault may be opened: the locations that make-policy is given (`--location`) admit these and no others.
inline constexpr std::array<std::string_view, 2> opening_phases{"sysinit", "ready"};

/// The component of systemd-pcrlock of a release: what it extends, in the order of the event log.
/// @param events  of the release. @error not_found  one of them has no SHA-256 digest.
Result<std::vector<Record>> release_records(const PredictedEvents& events);

/// The PCRs at each moment of a boot of a release at which the vault may be opened: its records in the place of the running one's. What the
/// firmware extends into PCR 4 before it starts the UKI stays as it was in this boot; so does every PCR that a release has no part in, 7
/// among them: its image has to be signed with the certificate that the running one was checked with.
///
/// @param log      of the running boot.
/// @param running  the records of the running release, as lock_running_boot() returns them; `records` may be the same.
/// @param present  the PCRs that are wanted, with their present values.
/// @return after each of the opening phases.
/// @error wrong_state  the running image is not in the log.
Result<std::vector<PcrValues>> boots_of(std::span<const Record> records, const EventLog& log, std::span<const Record> running,
                                        const PcrValues& present);

/// Whether a policy admits one release with one set of files beside it: no more values than one boot of it has.
bool admits_one_release(const PcrPolicy& policy);

/// The policy that is going to admit one release alone: what a policy of two has of it, in that order, in which systemd-pcrlock finds the
/// values again when it predicts that release alone.
/// @param running  the records of the one that runs, and `alone` what is predicted of it alone.
/// @param records  of the other one. @param boots  of it, as boots_of() returns them.
PcrPolicy policy_of_one(const PcrPolicy& both, const PcrPolicy& alone, std::span<const Record> running, std::span<const Record> records,
                        std::span<const PcrValues> boots);

/// Whether a boot that is now admitted alone is, in any PCR, as the boot in which the policy of both was made. systemd-pcrlock puts the
/// values of the release that ran then first (lock_running_boot()), and the digest that the TPM holds is of their order.
bool is_as_before(const PcrPolicy& alone, const PcrPolicy& both);

/// Whether the policy of a new NV index may take the place of the one in force: it holds the same PCRs, and admits no boot beside those
/// that are admitted; fewer, when the one in force admits more than one release. In PCR 12 there may be values to which no boot comes
/// (pcrlock/opened_boot.hpp), which an earlier release's policies did not have: one that is admitted has to be among them.
bool may_succeed(const PcrPolicy& made, const PcrPolicy& in_force);

}  // namespace lethe
