#pragma once

#include <map>
#include <string>

#include "base/secret.hpp"

namespace lethe {

// What a daemon keeps through its own restarts lies with the service manager, as a descriptor of secret memory: sd_notify(3), FDSTORE. It
// is gone when the service is stopped, and with the boot.

/// What was kept before this process was started, by name. Once, at the start. @error io, corrupt
Result<std::map<std::string, Secret>> kept_keys();

/// Keeps this in the place of what was kept under the name before. Nothing to do without a service manager. @error io
Result<void> keep_keys(const std::string& name, const Secret& keys);
/// Keeps nothing under the name any more. @error io
Result<void> drop_keys(const std::string& name);

}  // namespace lethe
