#pragma once

#include "identityd/service.hpp"
#include "relay/manifest.hpp"

namespace lethe {

/// Leaves for lethe-relay, which does not see the bus, why relays are not admitted: RuntimePaths::vault_reason() and reason().
/// @error io
Result<void> write_reasons(const RuntimePaths& paths, const IdentityService& service);

}  // namespace lethe
