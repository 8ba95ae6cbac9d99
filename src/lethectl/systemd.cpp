#include <algorithm>
#include <format>
#include <thread>

#include "lethectl/client_call.hpp"

namespace lethe::ctl {
namespace {

// Away only when the bus is.
constexpr Service systemd{"org.freedesktop.systemd1", "/org/freedesktop/systemd1", "dbus", "systemctl"};
// Debian's tor is given 60 s to close its circuits.
constexpr std::chrono::seconds stop_limit{75};
constexpr std::chrono::milliseconds look_again{200};

bool is_up(const std::string& unit) {
    const auto active = service_state(unit).active;
    return active != "inactive" && active != "failed" && active != "unknown";
}

Outcome<void> ask(const std::string& unit, const char* method) {
    return call(systemd, [&](sdbus::IConnection& connection) {
        sdbus::ObjectPath job;
        proxy(connection, systemd)
            ->callMethod(method)
            .onInterface(systemd.manager_interface())
            .withArguments(unit, "replace")
            .storeResultsTo(job);
    });
}

}  // namespace

std::string tor_unit(const std::string& relay) { return std::format("tor@{}.service", relay); }

ServiceState service_state(const std::string& unit) {
    try {
        const auto connection = sdbus::createSystemBusConnection();
        sdbus::ObjectPath path;
        proxy(*connection, systemd)
            ->callMethod("GetUnit")
            .onInterface(systemd.manager_interface())
            .withArguments(unit)
            .storeResultsTo(path);
        const auto object = proxy(*connection, systemd, path);
        const sdbus::Variant active = object->getProperty("ActiveState").onInterface("org.freedesktop.systemd1.Unit");
        const sdbus::Variant text = object->getProperty("StatusText").onInterface("org.freedesktop.systemd1.Service");
        return {active.get<std::string>(), text.get<std::string>()};
    } catch (const sdbus::Error& error) {
        return {error.getName() == "org.freedesktop.systemd1.NoSuchUnit" ? "inactive" : "unknown", ""};
    }
}

Outcome<void> stop_tor(const std::string& relay) {
    const auto unit = tor_unit(relay);
    if (!is_up(unit)) return {};
    if (const auto asked = ask(unit, "StopUnit"); !asked) return asked;
    for (auto left = stop_limit / look_again; is_up(unit); --left) {
        if (left == 0) return std::unexpected(Failure{exit_failed, std::format("{0} does not stop; see `systemctl status {0}`", unit), {}});
        std::this_thread::sleep_for(look_again);
    }
    return {};
}

Outcome<void> refresh_tor(const std::string& relay, const std::string& before) {
    const auto unit = tor_unit(relay);
    if (!is_up(unit)) return {};
    const auto now = read_relay(relay);
    if (!now) return std::unexpected(now.error());
    const bool same = std::ranges::equal(now->fingerprint, before, {}, {}, [](unsigned char c) { return std::toupper(c); });
    return ask(unit, same ? "ReloadUnit" : "RestartUnit");
}

}  // namespace lethe::ctl
