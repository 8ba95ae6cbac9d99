#pragma once

#include <array>

#include "tor/key_set.hpp"
#include "tor/state_file.hpp"

namespace lethe {

inline const std::string state_file_name = "state";
/// What tor would otherwise download again. Octets are kept as they are.
inline const std::array<std::string, 7> cache_files{
    "cached-certs",      "cached-consensus",      "cached-descriptors",        "cached-descriptors.new",
    "cached-microdescs", "cached-microdescs.new", "cached-microdesc-consensus"};

/// Which state was written by a clock that a time server had set, or goes on from one of which that is so, as time does on the machine.
enum class Confirmed {
    newest,   ///< or nobody has asked: the earlier one does not matter then
    earlier,  ///< that one alone
    neither,
};

/// One generation of a relay's state: its state file, always; its onion keys and cached files, those that are there. parse_state_files has
/// checked it.
struct StateFiles {
    RsaFingerprint relay;  ///< whose it is: a name may pass to another relay
    std::chrono::sys_seconds taken;
    KeyFiles files;   ///< by name; the onion keys belong into the key directory, the others into the data directory
    StateFile state;  ///< what the state file says
    /// State file and onion keys from before the clock jumped, when it has: what is left should the clock have been wrong since. Else none.
    KeyFiles earlier{};
    Confirmed confirmed = Confirmed::newest;
};

/// Comes before the names of the files in StateFiles::earlier, where they lie among the others.
inline const std::string earlier_prefix = "earlier.";
/// What a state says that was written this much after now, was written by a wrong clock.
inline constexpr std::chrono::hours clock_tolerance{1};

/// The files of a state without what tor downloads again.
KeyFiles without_caches(const KeyFiles& files);
/// All files in one: those of `earlier` with the prefix.
KeyFiles all_files(const StateFiles& files);

/// Checks the files that a snapshot is made of: the state file (parse_state_file) and the onion keys (check_onion_key).
///
/// @param relay         whose they are.
/// @param taken         from 1970 to 9998.
/// @param limit_octets  for the payload, which is some octets larger than the files.
/// @param known         files that were checked before, as those of the last snapshot: of an onion key that is among them, under whichever
///                      name, the primes are not checked again, which takes longer than all the rest together.
/// @error invalid_argument  no state file, a file that does not belong into a snapshot, or too large; the message names it.
/// @error corrupt           the state file or an onion key is damaged or cut short; the message names it.
Result<StateFiles> parse_state_files(const RsaFingerprint& relay, KeyFiles files, std::chrono::sys_seconds taken, std::size_t limit_octets,
                                     const KeyFiles& known = {});

/// The payload of a snapshot, with which the onion keys stay in locked memory. Layout in docs/formats.md, "State payload".
Secret encode_state_payload(const StateFiles& snapshot);
/// Checks everything again, but that the primes of the onion keys are primes: the payload comes out of an authenticated object.
/// @error corrupt
Result<StateFiles> decode_state_payload(const Secret& payload, std::size_t limit_octets);

}  // namespace lethe
