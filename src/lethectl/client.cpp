#include "lethectl/client.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>

#include "bus/errors.hpp"

namespace lethe::ctl {
namespace {

constexpr auto service = "org.lethe.Identity1";
constexpr auto manager_path = "/org/lethe/Identity1";
constexpr auto manager_interface = "org.lethe.Identity1.Manager";
constexpr auto relay_interface = "org.lethe.Identity1.Relay";
// The first call may start the service, and that may make keys.
constexpr auto patience = std::chrono::minutes{3};

using Properties = std::map<sdbus::PropertyName, sdbus::Variant>;
using ManagedObjects = std::map<sdbus::ObjectPath, std::map<sdbus::InterfaceName, Properties>>;

std::string relay_path(const std::string& name) { return std::format("{}/relay/{}", manager_path, name); }

int exit_for(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid_argument:
            return exit_usage;
        case ErrorKind::not_found:
        case ErrorKind::already_exists:
            return exit_refused;
        case ErrorKind::io:
            return exit_failed;
        default:
            return exit_person;
    }
}

Failure to_failure(const sdbus::Error& error) {
    const std::string& name = error.getName();
    if (const auto kind = error_kind(name)) return {exit_for(*kind), error.getMessage(), name};
    const auto is = [&](std::string_view last) { return name == std::format("org.freedesktop.DBus.Error.{}", last); };
    if (is("AccessDenied") || is("InteractiveAuthorizationRequired")) return {exit_refused, "only root may do this", name};
    if (is("ServiceUnknown") || is("NameHasNoOwner") || name.starts_with("org.freedesktop.DBus.Error.Spawn") ||
        name.starts_with("org.freedesktop.systemd1.")) {
        return {exit_person, "lethe-identityd is not running; see `systemctl status lethe-identityd` and start it", name};
    }
    if (is("FileNotFound") || is("NoServer")) return {exit_person, "the system bus is not there; see `systemctl status dbus`", name};
    if (is("UnknownObject") || is("UnknownMethod")) return {exit_refused, "there is no such relay; see `lethectl identity list`", name};
    return {exit_failed, std::format("{} ({})", error.getMessage(), name), name};
}

template <class Function>
auto call(Function&& function) -> Outcome<decltype(function(std::declval<sdbus::IConnection&>()))> {
    try {
        const auto connection = sdbus::createSystemBusConnection();
        connection->setMethodCallTimeout(patience);
        if constexpr (std::is_void_v<decltype(function(*connection))>) {
            function(*connection);
            return {};
        } else {
            return function(*connection);
        }
    } catch (const sdbus::Error& error) {
        return std::unexpected(to_failure(error));
    }
}

std::unique_ptr<sdbus::IProxy> proxy(sdbus::IConnection& connection, const char* destination, const std::string& path) {
    return sdbus::createProxy(connection, sdbus::ServiceName{destination}, sdbus::ObjectPath{path});
}

template <class T>
T value(const Properties& properties, const char* name) {
    const auto found = properties.find(sdbus::PropertyName{name});
    return found == properties.end() ? T{} : found->second.get<T>();
}

Relay to_relay(const Properties& properties) {
    return {.name = value<std::string>(properties, "Name"),
            .state = value<std::string>(properties, "State"),
            .reason = value<std::string>(properties, "Reason"),
            .fingerprint = value<std::string>(properties, "Fingerprint"),
            .ed25519_identity = value<std::string>(properties, "Ed25519Identity"),
            .key_folder = value<std::string>(properties, "KeyFolder"),
            .generation = value<std::uint64_t>(properties, "Generation"),
            .signing_key_expires = value<std::uint64_t>(properties, "SigningKeyExpires")};
}

// A relay's name goes into an object path, which sd-bus does not accept with other characters.
Outcome<void> check_name(const std::string& name) {
    const auto is_good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (!name.empty() && std::ranges::all_of(name, is_good)) return {};
    return std::unexpected(Failure{exit_usage, std::format("\"{}\" is not a relay's name (lower-case letters and digits)", name), {}});
}

}  // namespace

nlohmann::ordered_json to_json(const Relay& relay) {
    return {{"name", relay.name},
            {"state", relay.state},
            {"reason", relay.reason},
            {"fingerprint", relay.fingerprint},
            {"ed25519_identity", relay.ed25519_identity},
            {"key_folder", relay.key_folder},
            {"generation", relay.generation},
            {"signing_key_expires", relay.signing_key_expires}};
}

Outcome<Identities> read_identities() {
    return call([](sdbus::IConnection& connection) {
        const auto manager = proxy(connection, service, manager_path);
        const Properties properties = manager->getAllProperties().onInterface(manager_interface);
        Identities all{.vault = {value<std::string>(properties, "VaultState"), value<std::string>(properties, "VaultReason"),
                                 value<std::string>(properties, "VaultErrorName"), value<std::string>(properties, "Version")},
                       .relays = {}};
        ManagedObjects objects;
        manager->callMethod("GetManagedObjects").onInterface("org.freedesktop.DBus.ObjectManager").storeResultsTo(objects);
        for (const auto& [path, interfaces] : objects) {
            if (const auto relay = interfaces.find(sdbus::InterfaceName{relay_interface}); relay != interfaces.end())
                all.relays.push_back(to_relay(relay->second));
        }
        std::ranges::sort(all.relays, {}, &Relay::name);
        return all;
    });
}

Outcome<Relay> read_relay(const std::string& name) {
    if (const auto checked = check_name(name); !checked) return std::unexpected(checked.error());
    return call([&](sdbus::IConnection& connection) {
        const Properties properties = proxy(connection, service, relay_path(name))->getAllProperties().onInterface(relay_interface);
        return to_relay(properties);
    });
}

Outcome<void> create_relay(const std::string& name) {
    return call([&](sdbus::IConnection& connection) {
        sdbus::ObjectPath path;
        proxy(connection, service, manager_path)
            ->callMethod("CreateRelay")
            .onInterface(manager_interface)
            .withArguments(name)
            .storeResultsTo(path);
    });
}

Outcome<void> verify_relay(const std::string& name) {
    if (const auto checked = check_name(name); !checked) return checked;
    return call([&](sdbus::IConnection& connection) {
        proxy(connection, service, relay_path(name))->callMethod("Verify").onInterface(relay_interface);
    });
}

Outcome<void> reload() {
    return call([](sdbus::IConnection& connection) {
        proxy(connection, service, manager_path)->callMethod("Reload").onInterface(manager_interface);
    });
}

ServiceState service_state(const std::string& unit) {
    const std::string systemd = "org.freedesktop.systemd1";
    try {
        const auto connection = sdbus::createSystemBusConnection();
        sdbus::ObjectPath path;
        proxy(*connection, systemd.c_str(), "/org/freedesktop/systemd1")
            ->callMethod("GetUnit")
            .onInterface(systemd + ".Manager")
            .withArguments(unit)
            .storeResultsTo(path);
        const auto object = proxy(*connection, systemd.c_str(), path);
        const sdbus::Variant active = object->getProperty("ActiveState").onInterface(systemd + ".Unit");
        const sdbus::Variant text = object->getProperty("StatusText").onInterface(systemd + ".Service");
        return {active.get<std::string>(), text.get<std::string>()};
    } catch (const sdbus::Error& error) {
        return {error.getName() == systemd + ".NoSuchUnit" ? "inactive" : "unknown", ""};
    }
}

}  // namespace lethe::ctl
