#include "lethectl/client.hpp"

namespace lethe::ctl {

Outcome<int> identity_create(const Invocation& invocation) {
    if (const auto created = create_relay(invocation.arguments[0]); !created) return std::unexpected(created.error());
    return identity_show(invocation);
}

}  // namespace lethe::ctl
