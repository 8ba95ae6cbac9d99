#include "lethectl/client.hpp"
#include "lethectl/state.hpp"

namespace lethe::ctl {

Outcome<int> identity_reload(const Invocation& invocation) {
    if (const auto reloaded = reload(); !reloaded) return std::unexpected(reloaded.error());
    // That lethe-stated is away is a line of the status.
    if (const auto reloaded = reload_states(); !reloaded && reloaded.error().exit_status != exit_person)
        return std::unexpected(reloaded.error());
    return status(invocation);
}

}  // namespace lethe::ctl
