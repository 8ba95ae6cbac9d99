#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/progress.hpp"
#include "lethectl/update_files.hpp"
#include "lethectl/update_text.hpp"

namespace lethe::ctl {

Outcome<int> update_configure(const Invocation& invocation) {
    const auto set = invocation.all("set"), drop = invocation.all("drop");
    if (set.empty() && drop.empty())
        return std::unexpected(Failure{exit_usage, "nothing is to change: give --set FILE or --drop NAME", {}});
    const auto files = files_beside(set, drop);
    if (!files) return std::unexpected(files.error());
    const auto version = with_progress(invocation.has("verbose"),
                                       [&](const OnProgress& on_progress) { return stage_configuration(*files, drop, on_progress); });
    if (!version) return std::unexpected(version.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"staged", *version}}.dump(2) << "\n";
    else std::cout << staged_text(*version);
    return exit_ok;
}

}  // namespace lethe::ctl
