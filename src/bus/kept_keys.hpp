#pragma once

#include <optional>

#include "base/secret.hpp"

namespace lethe {

// What a daemon keeps through its own restarts lies with the service manager, as a descriptor of secret memory: sd_notify(3), FDSTORE. It
// is gone when the service is stopped, and with the boot.

/// What was kept before this process was started. Once, at the start. @error io, corrupt
Result<std::optional<Secret>> kept_keys();

/// Keeps this in the place of what was kept before. Nothing to do without a service manager. @error io
Result<void> keep_keys(const Secret& keys);

}  // namespace lethe
