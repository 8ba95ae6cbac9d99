#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/progress.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {

Outcome<int> update_abort(const Invocation& invocation) {
    if (const auto aborted = with_progress(invocation.has("verbose"), abort_update); !aborted) return std::unexpected(aborted.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"aborted", true}}.dump(2) << "\n";
    else std::cout << "the staged release is gone: the running one alone opens the vault, and the next boot is of it\n";
    return exit_ok;
}

}  // namespace lethe::ctl
