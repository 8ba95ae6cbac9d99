#include "bus/systemd.hpp"

#include <algorithm>
#include <thread>

#include "bus/client.hpp"

namespace lethe::systemd {
namespace {

constexpr auto service_name = "org.freedesktop.systemd1";
constexpr auto manager_path = "/org/freedesktop/systemd1";
constexpr auto manager_interface = "org.freedesktop.systemd1.Manager";
constexpr std::chrono::milliseconds look_again{200};

std::chrono::sys_seconds from_usec(std::uint64_t usec) {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(usec)));
}

std::string quoted_time(std::chrono::sys_seconds time) { return std::format("{:%F %T} UTC", time); }

template <class Function>
auto ask(Function&& function) {
    return on_bus("systemd", std::forward<Function>(function));
}

std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection, const std::string& path = manager_path) {
    return sdbus::createProxy(connection, sdbus::ServiceName{service_name}, sdbus::ObjectPath{path});
}

// The object of a unit that is loaded; none else.
std::optional<sdbus::ObjectPath> unit_path(sdbus::IConnection& connection, const std::string& unit) {
    try {
        sdbus::ObjectPath path;
        proxy(connection)->callMethod("GetUnit").onInterface(manager_interface).withArguments(unit).storeResultsTo(path);
        return path;
    } catch (const sdbus::Error& error) {
        if (error.getName() == "org.freedesktop.systemd1.NoSuchUnit") return std::nullopt;
        throw;
    }
}

template <class T>
std::optional<T> unit_property(sdbus::IConnection& connection, const std::string& unit, const char* interface, const char* property) {
    const auto path = unit_path(connection, unit);
    if (!path) return std::nullopt;
    const sdbus::Variant value = proxy(connection, *path)->getProperty(property).onInterface(interface);
    return value.get<T>();
}

// A job such as StopUnit.
void queue(sdbus::IConnection& connection, const char* method, const std::string& unit, const char* mode = "replace") {
    sdbus::ObjectPath job;
    proxy(connection)->callMethod(method).onInterface(manager_interface).withArguments(unit, mode).storeResultsTo(job);
}

void stop(sdbus::IConnection& connection, const std::string& unit) {
    try {
        queue(connection, "StopUnit", unit);
    } catch (const sdbus::Error& error) {
        if (error.getName() != "org.freedesktop.systemd1.NoSuchUnit") throw;
    }
}

}  // namespace

Result<UnitState> unit_state(const std::string& unit) {
    return ask([&](sdbus::IConnection& connection) {
        const auto active = unit_property<std::string>(connection, unit, "org.freedesktop.systemd1.Unit", "ActiveState");
        const auto text = unit_property<std::string>(connection, unit, "org.freedesktop.systemd1.Service", "StatusText");
        return UnitState{active.value_or("inactive"), text.value_or("")};
    });
}

Result<bool> is_active(const std::string& unit) {
    return ask([&](sdbus::IConnection& connection) {
        return unit_property<std::string>(connection, unit, "org.freedesktop.systemd1.Unit", "ActiveState") == "active";
    });
}

Result<std::vector<std::string>> active_units(const std::string& pattern) {
    using Unit = sdbus::Struct<std::string, std::string, std::string, std::string, std::string, std::string, sdbus::ObjectPath,
                               std::uint32_t, std::string, sdbus::ObjectPath>;
    return ask([&](sdbus::IConnection& connection) {
        std::vector<Unit> units;
        const std::vector<std::string> states{"active", "activating", "deactivating", "reloading"}, patterns{pattern};
        proxy(connection)
            ->callMethod("ListUnitsByPatterns")
            .onInterface(manager_interface)
            .withArguments(states, patterns)
            .storeResultsTo(units);
        std::vector<std::string> names;
        for (const Unit& unit : units) names.push_back(std::get<0>(unit));
        return names;
    });
}

Result<void> stop_units(const std::vector<std::string>& units, std::chrono::seconds limit) {
    TRY(ask([&](sdbus::IConnection& connection) { std::ranges::for_each(units, [&](const auto& unit) { stop(connection, unit); }); }));
    const auto end = std::chrono::steady_clock::now() + limit;
    for (const std::string& unit : units) {
        while (!TRY(active_units(unit)).empty()) {
            if (std::chrono::steady_clock::now() > end) return fail(ErrorKind::io, "{0} does not stop; see `systemctl status {0}`", unit);
            std::this_thread::sleep_for(look_again);
        }
    }
    return {};
}

Result<void> reload_unit(const std::string& unit) {
    return ask([&](sdbus::IConnection& connection) { queue(connection, "ReloadUnit", unit); });
}
Result<void> restart_unit(const std::string& unit) {
    return ask([&](sdbus::IConnection& connection) { queue(connection, "RestartUnit", unit); });
}

Result<std::optional<std::chrono::sys_seconds>> started_at(const std::string& unit) {
    return ask([&](sdbus::IConnection& connection) -> std::optional<std::chrono::sys_seconds> {
        const auto usec =
            unit_property<std::uint64_t>(connection, unit, "org.freedesktop.systemd1.Service", "ExecMainStartTimestamp").value_or(0);
        const auto pid = unit_property<std::uint32_t>(connection, unit, "org.freedesktop.systemd1.Service", "MainPID").value_or(0);
        return usec == 0 || pid == 0 ? std::nullopt : std::optional(from_usec(usec));
    });
}

Result<std::optional<std::chrono::seconds>> boot_duration() {
    return ask([&](sdbus::IConnection& connection) -> std::optional<std::chrono::seconds> {
        const auto manager = proxy(connection);
        const auto usec = [&](const char* property) {
            return manager->getProperty(property).onInterface(manager_interface).get<std::uint64_t>();
        };
        // The firmware's and the loader's times count backwards from the kernel's start.
        const std::uint64_t finish = usec("FinishTimestampMonotonic"), firmware = usec("FirmwareTimestampMonotonic");
        if (finish == 0) return std::nullopt;
        return std::chrono::ceil<std::chrono::seconds>(std::chrono::microseconds(finish + firmware));
    });
}

// Not Manager.Reboot, which stops nothing before.
Result<void> reboot() {
    return ask([](sdbus::IConnection& connection) { queue(connection, "StartUnit", "reboot.target", "replace-irreversibly"); });
}

Result<void> start_timer(const std::string& name, const std::string& description, std::chrono::sys_seconds at) {
    using Setting = sdbus::Struct<std::string, sdbus::Variant>;
    using Calendar = sdbus::Struct<std::string, std::string>;
    using Auxiliary = sdbus::Struct<std::string, std::vector<Setting>>;
    TRY(stop_timer(name));
    return ask([&](sdbus::IConnection& connection) {
        const std::vector<Calendar> calendar{Calendar{"OnCalendar", quoted_time(at)}};
        const std::vector<Setting> settings{{"Description", sdbus::Variant{description}},
                                            {"TimersCalendar", sdbus::Variant{calendar}},
                                            {"AccuracyUSec", sdbus::Variant{std::uint64_t{1'000'000}}},
                                            {"RemainAfterElapse", sdbus::Variant{false}}};
        sdbus::ObjectPath job;
        proxy(connection)
            ->callMethod("StartTransientUnit")
            .onInterface(manager_interface)
            .withArguments(name + ".timer", "replace", settings, std::vector<Auxiliary>{})
            .storeResultsTo(job);
    });
}

Result<void> stop_timer(const std::string& name) { return stop_units({name + ".timer"}, std::chrono::seconds(10)); }

Result<std::optional<std::chrono::sys_seconds>> next_elapse(const std::string& name) {
    return ask([&](sdbus::IConnection& connection) -> std::optional<std::chrono::sys_seconds> {
        const auto usec =
            unit_property<std::uint64_t>(connection, name + ".timer", "org.freedesktop.systemd1.Timer", "NextElapseUSecRealtime");
        return usec.value_or(0) == 0 ? std::nullopt : std::optional(from_usec(*usec));
    });
}

}  // namespace lethe::systemd
