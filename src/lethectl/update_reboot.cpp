#include <ctime>
#include <format>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"
#include "lethectl/update.hpp"

namespace lethe::ctl {
namespace {

std::string text_of(std::uint64_t at, std::uint64_t now) {
    if (at == 0) return "no reboot is planned\n";
    if (at <= now) return "rebooting: a snapshot is taken, and every tor ends first\n";
    return std::format("the reboot is planned for {}; `lethectl update reboot --when never` takes it back\n", moment_text(at, now));
}

}  // namespace

Outcome<int> update_reboot(const Invocation& invocation) {
    const auto when = invocation.option("when");
    const bool urgent = invocation.has("urgent");
    if (urgent && when && *when != "now") return std::unexpected(Failure{exit_usage, "--urgent is now: leave --when out", {}});
    const auto at = plan_reboot(when, urgent);
    if (!at) return std::unexpected(at.error());
    if (invocation.json) std::cout << nlohmann::ordered_json{{"reboot_at", *at}}.dump(2) << "\n";
    else std::cout << text_of(*at, static_cast<std::uint64_t>(std::time(nullptr)));
    return exit_ok;
}

}  // namespace lethe::ctl
