#pragma once

#include <filesystem>

#include "enroll/enroll.hpp"

namespace lethe {

/// The command line of lethe-enroll.
struct EnrolmentOptions {
    EnrolmentRequest request;
    bool if_needed = false;  ///< a machine that is enrolled is a success
    bool help = false;
    std::filesystem::path store = "/var/lib/lethe";
    std::filesystem::path recovery_key;       ///< when not empty: recover the store that is here
    std::string fingerprint;                  ///< of a relay in that store
    std::optional<std::uint64_t> generation;  ///< of that store, when it is to be taken although it is older than this machine
};
/// @error invalid_argument
Result<EnrolmentOptions> parse_enrolment_options(std::span<const char* const> arguments);

extern const std::string_view enrolment_help;

/// What lethe-enroll ends with; part of its interface (the units and lethectl rely on it).
enum ExitStatus : int { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_enrolled_already = 3, exit_refused = 4 };
ExitStatus exit_status(const Error& error);

}  // namespace lethe
