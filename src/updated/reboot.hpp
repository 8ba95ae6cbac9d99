#pragma once

#include <functional>

#include "tor/consensus_cost.hpp"
#include "tor/reboot_window.hpp"
#include "vault/configuration.hpp"

namespace lethe {

/// A relay of this machine, as far as a reboot has to do with it.
struct RebootingRelay {
    RelayStanding standing;
    std::string fingerprint;              ///< 40 hexadecimal digits
    std::vector<std::string> family_ids;  ///< "ed25519:..."
    /// When its signing key ends, of a relay without its master key, whose tor does not start after that.
    std::optional<std::chrono::sys_seconds> key_ends{};
};

/// What a reboot asks of the system.
class RebootSystem {
public:
    virtual ~RebootSystem() = default;
    virtual std::chrono::sys_seconds now() = 0;
    virtual Result<std::vector<RebootingRelay>> relays() = 0;
    /// How long the relays are away, from the last boot.
    virtual std::chrono::seconds downtime() = 0;
    virtual Result<void> take_snapshot() = 0;
    /// Stops each tor and waits for it.
    virtual Result<void> stop_relays() = 0;
    virtual Result<void> reboot() = 0;
    virtual Result<void> schedule(std::chrono::sys_seconds at) = 0;
    virtual Result<void> unschedule() = 0;
    /// None while none is planned.
    virtual Result<std::optional<std::chrono::sys_seconds>> scheduled() = 0;
};

/// What a reboot costs.
struct RebootCost {
    struct Relay {
        std::string name;
        std::vector<std::string> flags;
        ConsensusCost cost;
    };
    std::chrono::seconds downtime;
    std::vector<Relay> relays;
    RebootAdvice advice;
};

/// Reboots that are planned against what they cost the relays in the consensus. Remembers nothing: what is planned, a timer of systemd's
/// keeps.
class Reboots {
public:
    /// Borrows both. @param choose  makes the boot loader start what is staged.
    Reboots(RebootSystem& system, const Configuration& configuration, std::function<Result<void>()> choose)
        : system_(system), configuration_(configuration), choose_(std::move(choose)) {}

    Result<RebootCost> cost();

    /// @param when  "now", "quiet", "never", or a time in UTC.
    /// @return when it will be; 1970-01-01 00:00:00 for "never".
    /// @error invalid_argument  `when` is none of these, or past.
    /// @error wrong_state       a relay would lose a flag, or its tor would not start again; `urgent` is for that.
    Result<std::chrono::sys_seconds> reboot(const std::string& when, bool urgent);

    /// As reboot("now"); where that would cost a flag, in the next quiet window. @error as reboot()
    Result<std::chrono::sys_seconds> reboot_soon();

    std::optional<std::chrono::sys_seconds> scheduled();

private:
    Result<void> check(std::chrono::sys_seconds at);
    Result<void> reboot_now();

    RebootSystem& system_;
    const Configuration& configuration_;
    std::function<Result<void>()> choose_;
};

}  // namespace lethe
