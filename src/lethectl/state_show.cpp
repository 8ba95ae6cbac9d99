#include <algorithm>
#include <ctime>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"
#include "lethectl/state_text.hpp"

namespace lethe::ctl {

Outcome<int> state_show(const Invocation& invocation) {
    auto states = read_states();
    if (!states) return std::unexpected(states.error());
    if (!invocation.arguments.empty()) {
        const auto& name = invocation.arguments[0];
        std::erase_if(states->relays, [&](const RelayState& relay) { return relay.name != name; });
        if (states->relays.empty())
            return std::unexpected(Failure{exit_refused, std::format("there is no relay {}; see `lethectl state show`", name), {}});
    }
    if (invocation.json) std::cout << states_json(*states).dump(2) << "\n";
    else std::cout << states_text(*states, static_cast<std::uint64_t>(std::time(nullptr)));
    const bool good = states->keeper.good() &&
                      std::ranges::none_of(states->relays, [&](const RelayState& relay) { return needs_person(states->keeper, relay); });
    return good ? exit_ok : exit_person;
}

}  // namespace lethe::ctl
