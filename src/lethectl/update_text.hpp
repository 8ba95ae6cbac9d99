#pragma once

#include <nlohmann/json_fwd.hpp>

#include "lethectl/update.hpp"

// What lethectl says about updates. No bus, no clock; `now` is seconds since the epoch.
namespace lethe::ctl {

/// What was read; nothing when this machine has no lethe-updated; or, when that did not answer, a policy state of "unknown", and why.
/// @param commit_failed  lethe-commit.service has: a service that gives no answer in time is not busy with an update then.
std::optional<Updates> updates_or_unknown(const Outcome<Updates>& read, bool commit_failed = false);

/// Whether updates are a person's business: one has failed or is unfinished, the policy does not fit, or nobody knows.
bool needs_person(const Updates& updates);

/// A line about what there is to know of updates; empty when there is nothing.
std::string update_line(const Updates& updates, std::uint64_t now);

/// The table of `lethectl update show`, and what is wrong.
std::string updates_text(const Updates& updates, std::uint64_t now);
/// All but the plan.
nlohmann::ordered_json updates_json(const Updates& updates);

/// What became of a release that waits for the network. @param version  that is staged now; empty when none is.
std::string retried_text(const std::string& version);
/// What a person may do with the release that has just been staged.
std::string staged_text(const std::string& version);

}  // namespace lethe::ctl
