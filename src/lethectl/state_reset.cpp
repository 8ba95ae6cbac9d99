#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/state.hpp"

namespace lethe::ctl {
namespace {

constexpr auto warning =
    "this gives up all snapshots of all relays, whole ones too: until new ones are taken, a reboot finds none to restore.\n"
    "Find out first why the store or the TPM's counter went back (`lethectl state show` says which), then add --yes";

}  // namespace

Outcome<int> state_reset(const Invocation& invocation) {
    if (!invocation.has("yes")) return std::unexpected(Failure{exit_refused, warning, {}});
    if (const auto reset = reset_snapshots(); !reset) return std::unexpected(reset.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"reset", true}}.dump(2) << "\n";
    else std::cout << "all snapshots are given up; `lethectl state snapshot` takes the first new one\n";
    return exit_ok;
}

}  // namespace lethe::ctl
