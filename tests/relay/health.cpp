// relay-health NEEDS DEADLINE_S BOOTED NAME=FINGERPRINT...: prints what lethe-health says about real tors, on a machine that booted at that
// time (in seconds since the epoch), and on which these fingerprints are sealed. It assumes good answers of lethe-identityd and systemd.

#include <print>

#include "health/machine.hpp"

using namespace lethe;

namespace {

class Relays final : public MachineHealth {
public:
    Relays(std::span<char*> relays, std::int64_t booted) : booted_(std::chrono::seconds(booted)) {
        status_.vault = "open";
        for (const std::string relay : relays) {
            const auto equals = relay.find('=');
            status_.relays.push_back({relay.substr(0, equals), "installed", "", relay.substr(equals + 1)});
        }
    }
    Result<IdentityStatus> identity() override { return status_; }
    Result<systemd::UnitState> unit(const std::string&) override { return systemd::UnitState{"active", ""}; }
    std::chrono::sys_seconds booted() override { return booted_; }

private:
    IdentityStatus status_;
    std::chrono::sys_seconds booted_;
};

HealthNeeds needs_of(std::string_view name) {
    if (name == "bootstrap") return HealthNeeds::bootstrap;
    return name == "reachability" ? HealthNeeds::reachability : HealthNeeds::consensus;
}

}  // namespace

int main(int count, char** values) {
    if (count < 5) return 2;
    Relays relays(std::span(values, static_cast<std::size_t>(count)).subspan(4), std::stoll(values[3]));
    const auto healthy = HealthCheck(relays, {needs_of(values[1]), std::chrono::seconds(std::stoll(values[2])), true}).wait();
    if (!healthy) std::println("{}", healthy.error().message);
    return healthy ? 0 : 1;
}
