#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/plan_text.hpp"
#include "lethectl/progress.hpp"
#include "lethectl/update_files.hpp"

namespace lethe::ctl {
namespace {

Outcome<Plan> plan_of_staged(const Invocation& invocation) {
    if (!invocation.options.empty()) return std::unexpected(Failure{exit_usage, "the options are about a FILE, and none is given", {}});
    auto plan = read_plan();
    if (!plan) return std::unexpected(plan.error());
    if (*plan) return **std::move(plan);
    return std::unexpected(
        Failure{exit_refused, "nothing is staged; `lethectl update plan FILE` shows what the release in a file would change", {}});
}

Outcome<Plan> plan_of_offered(const Invocation& invocation) {
    const auto release = offered_release(invocation);
    if (!release) return std::unexpected(release.error());
    return with_progress(invocation.has("verbose"), [&](const OnProgress& on_progress) { return preview_release(*release, on_progress); });
}

}  // namespace

Outcome<int> update_plan(const Invocation& invocation) {
    const auto plan = invocation.arguments.empty() ? plan_of_staged(invocation) : plan_of_offered(invocation);
    if (!plan) return std::unexpected(plan.error());
    if (invocation.json) std::cout << plan_json(*plan).dump(2) << "\n";
    else std::cout << plan_text(*plan, static_cast<std::uint64_t>(std::time(nullptr)));
    return exit_ok;
}

}  // namespace lethe::ctl
