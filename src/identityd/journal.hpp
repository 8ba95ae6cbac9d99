#pragma once

#include "identityd/service.hpp"

namespace lethe {

/// Says on standard error, with journal priorities, whether the vault is open and how each relay is: the first place a person looks.
void log_state(const IdentityService& service);

}  // namespace lethe
