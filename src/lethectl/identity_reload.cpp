#include "lethectl/client.hpp"

namespace lethe::ctl {

Outcome<int> identity_reload(const Invocation& invocation) {
    if (const auto reloaded = reload(); !reloaded) return std::unexpected(reloaded.error());
    return status(invocation);
}

}  // namespace lethe::ctl
