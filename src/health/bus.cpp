#include "health/bus.hpp"

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "bus/client.hpp"

namespace lethe {
namespace {

const std::string identity_service = "org.lethe.Identity1", identity_path = "/org/lethe/Identity1";
const std::string relay_interface = identity_service + ".Relay";
const std::string systemd_service = "org.freedesktop.systemd1", systemd_path = "/org/freedesktop/systemd1";

using Texts = std::map<std::string, std::string>;
using Objects = std::map<sdbus::ObjectPath, std::map<sdbus::InterfaceName, std::map<sdbus::PropertyName, sdbus::Variant>>>;

std::string text(const Texts& texts, const char* name) {
    const auto found = texts.find(name);
    return found == texts.end() ? "" : found->second;
}

// Calls a method of one object; its reply goes where `handle` puts it.
template <class Call>
Result<void> on_bus(const std::string& service, const std::string& path, Call&& call) {
    try {
        const auto connection = sdbus::createSystemBusConnection();
        call(*sdbus::createProxy(*connection, sdbus::ServiceName{service}, sdbus::ObjectPath{path}));
        return {};
    } catch (const sdbus::Error& error) {
        return fail(ErrorKind::io, "{}: {} ({})", service, error.getMessage(), std::string(error.getName()));
    }
}

std::vector<std::string> relay_paths_of(const Objects& objects) {
    std::vector<std::string> paths;
    for (const auto& [path, interfaces] : objects)
        if (interfaces.contains(sdbus::InterfaceName{relay_interface})) paths.push_back(path);
    return paths;
}

Result<std::string> unit_path(const std::string& unit) {
    char* path = nullptr;
    const int status = sd_bus_path_encode((systemd_path + "/unit").c_str(), unit.c_str(), &path);
    const std::unique_ptr<char, decltype(&std::free)> owner(path, &std::free);
    if (status < 0) return fail_errno(-status, unit);
    return std::string(path);
}

}  // namespace

Result<IdentityStatus> read_identity() {
    const Texts manager = TRY(text_properties(identity_service, identity_path, identity_service + ".Manager"));
    IdentityStatus status{.vault = text(manager, "VaultState"), .reason = text(manager, "VaultReason"), .relays = {}};
    Objects objects;
    TRY(on_bus(identity_service, identity_path, [&](sdbus::IProxy& proxy) {
        proxy.callMethod("GetManagedObjects").onInterface("org.freedesktop.DBus.ObjectManager").storeResultsTo(objects);
    }));
    for (const auto& path : relay_paths_of(objects)) {
        const Texts relay = TRY(text_properties(identity_service, path, relay_interface));
        status.relays.push_back({text(relay, "Name"), text(relay, "State"), text(relay, "Reason"), text(relay, "Fingerprint")});
    }
    return status;
}

Result<UnitState> read_unit(const std::string& name) {
    const auto path = TRY(unit_path(name));
    const Texts unit = TRY(text_properties(systemd_service, path, systemd_service + ".Unit"));
    const Texts service = TRY(text_properties(systemd_service, path, systemd_service + ".Service"));
    return UnitState{text(unit, "ActiveState"), text(service, "StatusText")};
}

Result<void> ask_for_reboot() {
    return on_bus(systemd_service, systemd_path, [](sdbus::IProxy& proxy) {
        sdbus::ObjectPath job;
        proxy.callMethod("StartUnit")
            .onInterface(systemd_service + ".Manager")
            .withArguments("reboot.target", "replace-irreversibly")
            .storeResultsTo(job);
    });
}

}  // namespace lethe
