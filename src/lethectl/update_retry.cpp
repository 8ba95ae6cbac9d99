#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/progress.hpp"
#include "lethectl/update_text.hpp"

namespace lethe::ctl {

Outcome<int> update_retry(const Invocation& invocation) {
    const bool at_once = !invocation.has("when-due");
    const auto staged = with_progress(invocation.has("verbose"), [&](const OnProgress& told) { return retry_update(at_once, told); });
    if (!staged) return std::unexpected(staged.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"staged", *staged}}.dump(2) << "\n";
    else std::cout << retried_text(*staged);
    return exit_ok;
}

}  // namespace lethe::ctl
