#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/progress.hpp"
#include "lethectl/update_files.hpp"
#include "lethectl/update_text.hpp"

namespace lethe::ctl {

Outcome<int> update_stage(const Invocation& invocation) {
    const auto release = offered_release(invocation);
    if (!release) return std::unexpected(release.error());
    const auto version =
        with_progress(invocation.has("verbose"), [&](const OnProgress& on_progress) { return stage_release(*release, on_progress); });
    if (!version) return std::unexpected(version.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"staged", *version}}.dump(2) << "\n";
    else std::cout << staged_text(*version);
    return exit_ok;
}

}  // namespace lethe::ctl
