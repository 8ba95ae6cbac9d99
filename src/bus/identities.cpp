#include "bus/identities.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <algorithm>

#include "base/file.hpp"
#include "bus/client.hpp"

namespace lethe {
namespace {

const std::string service = "org.lethe.Identity1", path = "/org/lethe/Identity1";
const std::string manager_interface = service + ".Manager";
const sdbus::InterfaceName relay_interface{service + ".Relay"};

using Properties = std::map<sdbus::PropertyName, sdbus::Variant>;

template <class T>
T value(const Properties& properties, const char* name) {
    const auto found = properties.find(sdbus::PropertyName{name});
    return found == properties.end() ? T{} : found->second.get<T>();
}

RelayIdentity to_relay(const Properties& properties) {
    RelayIdentity relay{.name = value<std::string>(properties, "Name"),
                        .state = value<std::string>(properties, "State"),
                        .reason = value<std::string>(properties, "Reason"),
                        .fingerprint = value<std::string>(properties, "Fingerprint"),
                        .family_ids = value<std::vector<std::string>>(properties, "FamilyIds"),
                        .signing_key_ends = {}};
    const auto ends = value<std::uint64_t>(properties, "SigningKeyExpires");
    if (ends != 0 && !value<bool>(properties, "HasMasterKey"))
        relay.signing_key_ends = std::chrono::sys_seconds(std::chrono::seconds(ends));
    return relay;
}

}  // namespace

Result<IdentityStatus> read_identities() {
    return on_bus(service, [](sdbus::IConnection& connection) {
        const auto proxy = sdbus::createProxy(connection, sdbus::ServiceName{service}, sdbus::ObjectPath{path});
        const Properties manager = proxy->getAllProperties().onInterface(manager_interface);
        IdentityStatus status{
            .vault = value<std::string>(manager, "VaultState"), .reason = value<std::string>(manager, "VaultReason"), .relays = {}};
        std::map<sdbus::ObjectPath, std::map<sdbus::InterfaceName, Properties>> objects;
        proxy->callMethod("GetManagedObjects").onInterface("org.freedesktop.DBus.ObjectManager").storeResultsTo(objects);
        for (const auto& [object, interfaces] : objects)
            if (const auto found = interfaces.find(relay_interface); found != interfaces.end())
                status.relays.push_back(to_relay(found->second));
        std::ranges::sort(status.relays, {}, &RelayIdentity::name);
        return status;
    });
}

namespace {

Result<Secret> read_keys(const char* method, std::string_view what) {
    constexpr std::size_t limit_octets = 4096;
    const sdbus::UnixFd file = TRY(on_bus(service, [&](sdbus::IConnection& connection) {
        const auto proxy = sdbus::createProxy(connection, sdbus::ServiceName{service}, sdbus::ObjectPath{path});
        sdbus::UnixFd given;
        proxy->callMethod(method).onInterface(manager_interface).storeResultsTo(given);
        return given;
    }));
    return read_secret_descriptor(file.get(), what, limit_octets);
}

}  // namespace

Result<Secret> read_policy_keys() { return read_keys("PolicyKeys", "the keys of the policy"); }

Result<Secret> read_state_keys() { return read_keys("StateKeys", "the keys of the relays' state"); }

}  // namespace lethe
