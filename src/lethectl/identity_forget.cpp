#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/client.hpp"

namespace lethe::ctl {

Outcome<int> identity_forget(const Invocation& invocation) {
    const auto& name = invocation.arguments[0];
    // Its tor has the keys in memory.
    if (const auto stopped = stop_tor(name); !stopped) return std::unexpected(stopped.error());
    if (const auto forgotten = forget_relay(name, invocation.arguments[1]); !forgotten) return std::unexpected(forgotten.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"name", name}, {"forgotten", true}}.dump(2) << "\n";
    else std::cout << std::format("{} is forgotten: its keys are wiped from the store and from memory\n", name);
    return exit_ok;
}

}  // namespace lethe::ctl
