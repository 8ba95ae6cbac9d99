#pragma once

#include <chrono>
#include <span>

#include "health/ailment.hpp"
#include "image/secure_boot.hpp"

namespace lethe {

/// Whom the health check asks.
class HealthSources {
public:
    virtual ~HealthSources() = default;

    /// @error wrong_state, io  lethe-identityd does not answer.
    virtual Result<IdentityStatus> identity() = 0;
    /// @error io  systemd does not answer.
    virtual Result<systemd::UnitState> unit(const std::string& name) = 0;
    /// @error of ControlPort and control_address()
    virtual Result<TorAnswers> ask_tor(const std::string& relay, std::span<const std::string> keys) = 0;

    /// @error corrupt  the firmware does not say what a firmware says.
    virtual Result<SecureBoot> secure_boot() = 0;
    /// When the machine booted, by the clock of now.
    virtual std::chrono::sys_seconds booted() = 0;
    /// How long this has existed; no clock that is set changes it.
    virtual std::chrono::milliseconds elapsed() = 0;
    /// Returns when a tor that was asked since the last time tells of a change, and at the latest after `most`.
    virtual void wait(std::chrono::milliseconds most) = 0;
};

struct HealthRules {
    HealthNeeds needs;
    std::chrono::milliseconds deadline;  ///< of HealthSources::elapsed()
    bool insecure_boot = false;          ///< a boot without Secure Boot may be healthy as well
};

/// Decides whether this boot is good. Knows neither D-Bus nor sockets. Borrows the sources.
class HealthCheck {
public:
    HealthCheck(HealthSources& sources, HealthRules rules) : sources_(sources), rules_(rules) {}

    /// Waits until the machine is healthy: Secure Boot on unless the rules do without, the vault open and every relay as the rules want it.
    /// One without relays is healthy when its vault is open; one that is not enrolled has nothing to keep, and is healthy unless its
    /// enrolment failed.
    ///
    /// @error wrong_state  it is not healthy at the deadline, or something is wrong that no waiting changes; names each relay with its
    ///                     reason.
    Result<void> wait();

    /// Whether what wait() found wrong is the network alone: the vault is open, and each relay that is not well has its keys and a tor that
    /// answers with its fingerprint, or waits for the clock.
    bool lacks_network_alone() const { return lacks_network_alone_; }

private:
    std::vector<Ailment> look();
    std::optional<Ailment> boot_ailment();
    std::optional<Ailment> vault_ailment(const IdentityStatus& status);
    std::optional<Ailment> relay_ailment(const RelayIdentity& relay);

    HealthSources& sources_;
    HealthRules rules_;
    bool lacks_network_alone_ = false;
};

}  // namespace lethe
