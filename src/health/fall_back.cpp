#include "health/fall_back.hpp"

#include <format>

namespace lethe {
Error end_unhealthy_boot(Fallback& fallback, const Error& reason, bool network_alone) {
    Error told{reason.kind, "this boot is not healthy: " + reason.message};
    const auto trial = fallback.on_trial();
    if (trial && !*trial) return told;
    if (!trial) told.message += std::format("; this boot was counted, and {}", trial.error().message);
    if (const auto noted = fallback.note(reason.message, network_alone); !noted)
        told.message += std::format("; the next boot will not know ({})", noted.error().message);
    if (network_alone)
        told.message +=
            "; nothing but the network was missing: somebody may be blocking it to hold the update back; the release is tried again";
    const auto asked = fallback.reboot();
    told.message += asked ? "; the release is on trial: rebooting"
                          : std::format("; the release is on trial and the machine does not reboot ({}): reboot it", asked.error().message);
    return told;
}

}  // namespace lethe
