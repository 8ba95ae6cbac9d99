#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/progress.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {

Outcome<int> update_commit(const Invocation& invocation) {
    if (const auto kept = with_progress(invocation.has("verbose"), commit_update); !kept) return std::unexpected(kept.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"committed", true}}.dump(2) << "\n";
    else std::cout << "the running release is kept: it alone opens the vault, and no other is on the ESP\n";
    return exit_ok;
}

}  // namespace lethe::ctl
