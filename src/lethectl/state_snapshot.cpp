#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/state.hpp"

namespace lethe::ctl {

Outcome<int> state_snapshot(const Invocation& invocation) {
    const auto generation = take_snapshot();
    if (!generation) return std::unexpected(generation.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"generation", *generation}}.dump(2) << "\n";
    else if (*generation == 0)
        std::cout << "no snapshot: no tor has written any state yet, or this machine has no disk and its TPM keeps the bandwidth alone\n";
    else std::cout << std::format("snapshot {} is the newest\n", *generation);
    return exit_ok;
}

}  // namespace lethe::ctl
