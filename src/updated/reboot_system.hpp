#pragma once

#include "updated/reboot.hpp"

namespace lethe {

/// This machine: its relays' tors, the daemons and systemd, over the system bus and each tor's control port.
class MachineReboots final : public RebootSystem {
public:
    std::chrono::sys_seconds now() override;
    Result<std::vector<RebootingRelay>> relays() override;
    std::chrono::seconds downtime() override;
    Result<void> take_snapshot() override;
    Result<void> stop_relays() override;
    Result<void> reboot() override;
    Result<void> schedule(std::chrono::sys_seconds at) override;
    Result<void> unschedule() override;
    Result<std::optional<std::chrono::sys_seconds>> scheduled() override;
};

}  // namespace lethe
