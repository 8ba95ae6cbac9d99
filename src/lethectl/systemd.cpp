#include <algorithm>
#include <format>

#include "base/printable.hpp"
#include "lethectl/client.hpp"

namespace lethe::ctl {
namespace {

// Debian's tor is given 60 s to close its circuits.
constexpr std::chrono::seconds stop_limit{75};

constexpr std::size_t service_text_limit = 400;  // more would push what else there is off the console

Outcome<void> outcome(const Result<void>& result) {
    if (result) return {};
    return std::unexpected(Failure{exit_failed, result.error().message, {}});
}

}  // namespace

std::string tor_unit(const std::string& relay) { return std::format("tor@{}.service", relay); }

systemd::UnitState service_state(const std::string& unit) {
    auto state = systemd::unit_state(unit).value_or(systemd::UnitState{"unknown", ""});
    state.text = service_text(state.text);
    return state;
}

std::string service_text(std::string_view text) {
    return printable(text.substr(0, service_text_limit)) + (text.size() > service_text_limit ? "..." : "");
}

Outcome<void> stop_tor(const std::string& relay) {
    const auto stopped = systemd::stop_units({tor_unit(relay)}, stop_limit);
    if (!stopped && stopped.error().kind == ErrorKind::wrong_state) return {};  // no systemd
    return outcome(stopped);
}

Outcome<void> refresh_tor(const std::string& relay, const std::string& before) {
    const auto unit = tor_unit(relay);
    const auto running = systemd::active_units(unit);
    if (!running || running->empty()) return {};
    const auto now = read_relay(relay);
    if (!now) return std::unexpected(now.error());
    const bool same = std::ranges::equal(now->fingerprint, before, {}, {}, [](unsigned char c) { return std::toupper(c); });
    return outcome(same ? systemd::reload_unit(unit) : systemd::restart_unit(unit));
}

}  // namespace lethe::ctl
