#include "lethectl/client.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bus/errors.hpp"
#include "lethectl/client_call.hpp"

namespace lethe::ctl {
namespace {

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

Relay to_relay(const Properties& properties) {
    return {.name = value<std::string>(properties, "Name"),
            .state = value<std::string>(properties, "State"),
            .reason = value<std::string>(properties, "Reason"),
            .fingerprint = value<std::string>(properties, "Fingerprint"),
            .ed25519_identity = value<std::string>(properties, "Ed25519Identity"),
            .key_folder = value<std::string>(properties, "KeyFolder"),
            .generation = value<std::uint64_t>(properties, "Generation"),
            .signing_key_expires = value<std::uint64_t>(properties, "SigningKeyExpires"),
            .has_master_key = value<bool>(properties, "HasMasterKey"),
            .family_ids = value<std::vector<std::string>>(properties, "FamilyIds")};
}

}  // namespace

Outcome<void> check_name(const std::string& name) {
    const auto is_good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (!name.empty() && std::ranges::all_of(name, is_good)) return {};
    return std::unexpected(Failure{exit_usage, std::format("\"{}\" is not a relay's name (lower-case letters and digits)", name), {}});
}

std::map<std::string, sdbus::UnixFd> handed_over(const std::map<std::string, Fd>& files) {
    std::map<std::string, sdbus::UnixFd> descriptors;
    for (const auto& [name, fd] : files) descriptors.emplace(name, sdbus::UnixFd{fd.get()});
    return descriptors;
}

std::vector<Properties> relay_objects(sdbus::IConnection& connection, const Service& service) {
    std::map<sdbus::ObjectPath, std::map<sdbus::InterfaceName, Properties>> objects;
    proxy(connection, service)->callMethod("GetManagedObjects").onInterface("org.freedesktop.DBus.ObjectManager").storeResultsTo(objects);
    std::vector<Properties> relays;
    for (const auto& [path, interfaces] : objects) {
        if (const auto relay = interfaces.find(sdbus::InterfaceName{service.relay_interface()}); relay != interfaces.end())
            relays.push_back(relay->second);
    }
    return relays;
}

Failure to_failure(const Error& error) { return {exit_for(error.kind), printable(error.message), std::string(error_name(error.kind))}; }

Failure to_failure(const sdbus::Error& error, const Service& service) {
    const std::string& name = error.getName();
    if (const auto kind = error_kind(name)) return {exit_for(*kind), printable(error.getMessage()), name};
    const auto is = [&](std::string_view last) { return name == std::format("org.freedesktop.DBus.Error.{}", last); };
    const auto told = [&](Exit status, std::string_view what) {
        return Failure{status, std::format("{0} {1}; see `systemctl status {0}`", service.unit, what), name};
    };
    if (is("AccessDenied") || is("InteractiveAuthorizationRequired")) return {exit_refused, "only root may do this", name};
    // The bus says with systemd's own errors that it cannot start a service.
    const bool unstarted = name.starts_with("org.freedesktop.systemd1.") && !name.starts_with(service.name);
    if (is("ServiceUnknown") || is("NameHasNoOwner") || name.starts_with("org.freedesktop.DBus.Error.Spawn") || unstarted)
        return told(exit_person, "is not running");
    if (is("NoReply") || is("Timeout") || is("TimedOut")) return told(exit_failed, "does not answer");
    if (is("FileNotFound") || is("NoServer")) return {exit_person, "the system bus is not there; see `systemctl status dbus`", name};
    if (service.lister && (is("UnknownObject") || is("UnknownMethod")))
        return {exit_refused, std::format("there is no such relay; see `{}`", service.lister), name};
    return {exit_failed, printable(std::format("{} ({})", error.getMessage(), name)), name};
}

nlohmann::ordered_json to_json(const Relay& relay) {
    return {{"name", relay.name},
            {"state", relay.state},
            {"reason", relay.reason},
            {"fingerprint", relay.fingerprint},
            {"ed25519_identity", relay.ed25519_identity},
            {"key_folder", relay.key_folder},
            {"generation", relay.generation},
            {"signing_key_expires", relay.signing_key_expires},
            {"has_master_key", relay.has_master_key},
            {"family_ids", relay.family_ids}};
}

Outcome<Identities> read_identities() {
    return call(identity_service, [](sdbus::IConnection& connection) {
        const Properties properties =
            proxy(connection, identity_service)->getAllProperties().onInterface(identity_service.manager_interface());
        Identities all{.vault = {value<std::string>(properties, "VaultState"), value<std::string>(properties, "VaultReason"),
                                 value<std::string>(properties, "VaultErrorName"), value<std::string>(properties, "Version"),
                                 value<std::string>(properties, "RecoveryKey"), value<std::string>(properties, "RecoveryReason")},
                       .relays = {}};
        for (const auto& relay : relay_objects(connection, identity_service)) all.relays.push_back(to_relay(relay));
        std::ranges::sort(all.relays, {}, &Relay::name);
        return all;
    });
}

Outcome<Relay> read_relay(const std::string& name) {
    if (const auto checked = check_name(name); !checked) return std::unexpected(checked.error());
    return call(identity_service, [&](sdbus::IConnection& connection) {
        const auto relay = proxy(connection, identity_service, identity_service.relay_path(name));
        return to_relay(relay->getAllProperties().onInterface(identity_service.relay_interface()));
    });
}

Outcome<void> verify_relay(const std::string& name) {
    if (const auto checked = check_name(name); !checked) return checked;
    return call(identity_service, [&](sdbus::IConnection& connection) {
        proxy(connection, identity_service, identity_service.relay_path(name))
            ->callMethod("Verify")
            .onInterface(identity_service.relay_interface());
    });
}

}  // namespace lethe::ctl
