#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/secret.hpp"

namespace lethe {

/// What a daemon keeps through its own restarts. It lies with the service manager, as descriptors of secret memory: sd_notify(3), FDSTORE.
/// It is gone when the service is stopped, and with the boot. One of these at a time.
class KeptKeys {
public:
    /// Takes what was kept before this process was started. Once, at the start. @error io
    static Result<KeptKeys> receive();

    /// What that was, in no order; nothing once others are kept.
    const std::vector<Secret>& before() const { return before_; }

    /// Keeps these, and then no others: whenever this process ends, either all of these are kept or all that were before. Nothing to do
    /// without a service manager.
    /// @error io  what was kept before is still kept, and of these perhaps some.
    Result<void> keep_only(std::span<const Secret* const> keys);

private:
    std::vector<Secret> before_;
    std::set<std::string> names_;  ///< of what is kept; each derives from what it names
};

}  // namespace lethe
