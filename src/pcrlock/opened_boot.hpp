#pragma once

#include <chrono>
#include <functional>

#include "pcrlock/program.hpp"

namespace lethe {

// A boot opens the vault once. Afterwards a word goes into PCR 12, so that the policy does not admit this boot any more. The value before
// stays in the policy by way of a component that comes before all that a boot extends, with and without that word: systemd-pcrlock looks
// for a component in the whole log, and predicts components in the order of their names. With the word first PCR 12 gets a value that no
// boot comes to, as long as it is not empty before: then another word goes ahead of it, and the two are predicted the other way round.

/// In which order they are extended. Records of systemd's log: PCR 12, the digest of the word.
constexpr std::string_view opening_word = "lethe-opening", opened_word = "lethe-opened";

/// Writes the components with which a policy can be made whether or not the vault has been opened in this boot.
/// @param starts_empty  PCR 12 is empty before the opening, in this boot or in one that is to be admitted.
Result<void> lock_opening(Pcrlock& pcrlock, bool starts_empty);
/// Removes them.
Result<void> unlock_opening(Pcrlock& pcrlock);

/// How many values of PCR 12 a policy with those components has for one boot.
std::size_t values_of_one_boot(const AdmittedPcr& config);

/// The values of PCR 12 that systemd-pcrlock predicts for one boot with those components.
/// @param records  of the release; those of PCR 12 count.
std::vector<Digest> config_values(std::span<const Record> records);

/// Whether the vault was opened in this boot.
bool was_opened(const EventLog& log);

/// The PCRs as they were when the vault could be opened, which is what a policy is compared with.
/// @param log  of this boot.
/// @error policy_mismatch  PCR 12 is not what the log adds up to.
Result<PcrValues> before_opening(PcrValues present, const EventLog& log);
/// The same of a TPM. @error as Tpm::read_pcrs(), Pcrlock::log()
Result<PcrValues> read_pcrs_before_opening(Tpm& tpm, Pcrlock& pcrlock, std::span<const unsigned> pcrs);

/// Has a word extended into PCR 12 and written to the log of the boot; need not wait until that is done.
using RecordWord = std::function<Result<void>(std::string_view word)>;

/// Sees to it that nothing opens the vault again in this boot, as far as the policy in force holds PCR 12. Nothing to do when that is so.
/// @param in_force  the policy with which the vault was opened; null when that is not known: both words are asked for then, whichever are
///                  there, and nothing is waited for.
/// @error tpm_unavailable  PCR 12 has not changed when the time was over.
Result<void> close_opening(Tpm& tpm, const PcrPolicy* in_force, const RecordWord& record,
                           std::chrono::milliseconds limit = std::chrono::minutes(1));

}  // namespace lethe
