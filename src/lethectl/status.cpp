#include <iostream>

#include "lethectl/overview.hpp"
#include "lethectl/state_text.hpp"
#include "lethectl/update_text.hpp"

namespace lethe::ctl {

Outcome<int> status(const Invocation& invocation) {
    const auto identities = read_identities();
    if (!identities) return std::unexpected(identities.error());
    const auto boot = read_boot_safety();
    if (!boot) return std::unexpected(boot.error());
    const auto updates = glance_at_updates();
    const bool commit_failed = !updates && service_state("lethe-commit.service").active == "failed";
    // Without the state there is still an identity to speak of.
    const auto states = states_or_unknown(read_states());
    Overview overview{.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                      .vault = identities->vault,
                      .keeper = states.keeper,
                      .store = read_store().value_or(StoreState{}),
                      .lines = {},
                      .updates = updates_or_unknown(updates, commit_failed),
                      .boot = *boot};
    for (const auto& relay : identities->relays)
        overview.lines.push_back({relay, service_state(tor_unit(relay.name)), state_of(states, relay.name)});
    std::cout << (invocation.json ? overview.json() : overview.text());
    return overview.good() ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
