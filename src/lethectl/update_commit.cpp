#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/progress.hpp"
#include "lethectl/store.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {

namespace {

// The release that made the vault key does not come back: what it could not do is made good now.
Outcome<bool> renew_key_of_earlier_release() {
    const auto updates = read_updates();
    if (!updates) return std::unexpected(updates.error());
    if (updates->policy_state != "running" && updates->policy_state != "wide") return false;
    auto renewed = renew_earlier_key();
    if (!renewed)
        renewed.error().message =
            "the running release is kept, and the vault has no new key in the place of the earlier release's: " + renewed.error().message;
    return renewed;
}

}  // namespace

Outcome<int> update_commit(const Invocation& invocation) {
    auto kept = with_progress(invocation.has("verbose"), commit_update);
    const auto renewed = renew_key_of_earlier_release();
    // The policy of an earlier release may be one that nobody can write any more: that of the new key takes its place.
    if (!kept && renewed && *renewed) kept = with_progress(invocation.has("verbose"), commit_update);
    if (!kept) return std::unexpected(kept.error());
    if (!renewed) return std::unexpected(renewed.error());
    if (invocation.json) {
        std::cout << nlohmann::ordered_json{{"committed", true}, {"new_vault_key", *renewed}}.dump(2) << "\n";
        return exit_ok;
    }
    std::cout << "the running release is kept: it alone opens the vault, and no other is on the ESP\n";
    if (*renewed) std::cout << "the vault has a new key; what that of the earlier release opens is worth nothing any more\n";
    return exit_ok;
}

}  // namespace lethe::ctl
