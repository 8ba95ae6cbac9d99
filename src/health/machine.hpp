#pragma once

#include "health/fall_back.hpp"
#include "health/health_check.hpp"
#include "tor/control_port.hpp"

namespace lethe {

/// This machine. Reads each relay's torrc where lethe-relay does; needs CAP_DAC_OVERRIDE to connect to the tors of other users.
class MachineHealth : public HealthSources {
public:
    Result<IdentityStatus> identity() override;
    Result<systemd::UnitState> unit(const std::string& name) override;
    Result<TorAnswers> ask_tor(const std::string& relay, std::span<const std::string> keys) override;
    Result<SecureBoot> secure_boot() override;
    std::chrono::sys_seconds booted() override;
    std::chrono::milliseconds elapsed() override;
    void wait(std::chrono::milliseconds most) override;

private:
    std::vector<ControlPort> asked_;  // since the last wait()
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

class MachineFallback final : public Fallback {
public:
    Result<bool> on_trial() override;
    Result<void> note(const std::string& reason, bool network_alone) override;
    Result<void> reboot() override;
};

}  // namespace lethe
