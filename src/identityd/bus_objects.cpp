#include "identityd/bus_objects.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include "bus/errors.hpp"
#include "identityd/journal.hpp"
#include "manager_adaptor.hpp"
#include "relay_adaptor.hpp"

namespace lethe {
namespace {

sdbus::ObjectPath path_of(const std::string& relay) { return sdbus::ObjectPath{std::string{identity_path} + "/relay/" + relay}; }

class RelayObject final
    : public sdbus::AdaptorInterfaces<org::lethe::Identity1::Relay_adaptor, sdbus::Properties_adaptor, sdbus::ManagedObject_adaptor> {
public:
    RelayObject(sdbus::IConnection& connection, const IdentityService& service, RelayStatus status)
        : AdaptorInterfaces(connection, path_of(status.name)), service_(service), status_(std::move(status)) {
        registerAdaptor();
        emitInterfacesAddedSignal({sdbus::InterfaceName{INTERFACE_NAME}});
    }
    ~RelayObject() {
        try {
            emitInterfacesRemovedSignal({sdbus::InterfaceName{INTERFACE_NAME}});
        } catch (const sdbus::Error&) {
            // The bus is gone, and with it everybody who would want to know.
        }
        unregisterAdaptor();
    }

    void update(const RelayStatus& status) {
        if (status == status_) return;
        status_ = status;
        emitPropertiesChangedSignal(INTERFACE_NAME);
    }

private:
    using Relay_adaptor::INTERFACE_NAME;

    void Verify() override {
        answer([&] { return service_.verify(status_.name); });
    }
    std::string Name() override { return status_.name; }
    std::string State() override { return std::string{name_of(status_.state)}; }
    std::string Reason() override { return status_.reason; }
    std::string Fingerprint() override { return status_.fingerprints ? status_.fingerprints->rsa_hex() : ""; }
    std::string Ed25519Identity() override { return status_.fingerprints ? status_.fingerprints->ed25519_base64() : ""; }
    std::string KeyFolder() override { return status_.key_folder; }
    uint64_t Generation() override { return status_.generation; }
    uint64_t SigningKeyExpires() override { return status_.signing_key_expires; }

    const IdentityService& service_;
    RelayStatus status_;
};

class ManagerObject final
    : public BusObjects,
      public sdbus::AdaptorInterfaces<org::lethe::Identity1::Manager_adaptor, sdbus::Properties_adaptor, sdbus::ObjectManager_adaptor> {
public:
    ManagerObject(sdbus::IConnection& connection, IdentityService& service)
        : AdaptorInterfaces(connection, sdbus::ObjectPath{identity_path}), connection_(connection), service_(service) {
        registerAdaptor();
        announce();
    }
    ~ManagerObject() override { unregisterAdaptor(); }

private:
    using Manager_adaptor::INTERFACE_NAME;

    sdbus::ObjectPath CreateRelay(const std::string& name) override {
        answer([&] {
            const auto result = service_.create_relay(name);
            announce();
            return result;
        });
        return path_of(name);
    }
    void Reload() override {
        answer([&] {
            service_.restore();
            announce();
            return Result<void>{};
        });
    }
    std::string VaultState() override { return std::string{name_of(service_.vault().state)}; }
    std::string VaultReason() override { return service_.vault().reason ? service_.vault().reason->message : ""; }
    std::string VaultErrorName() override { return service_.vault().reason ? std::string{error_name(service_.vault().reason->kind)} : ""; }
    std::string Version() override { return LETHE_VERSION; }

    // Brings the journal and the objects on the bus to what the service says.
    void announce() {
        log_state(service_);
        std::erase_if(relays_, [&](const auto& relay) { return !service_.relays().contains(relay.first); });
        for (const auto& [name, status] : service_.relays()) {
            if (auto& object = relays_[name]) {
                object->update(status);
            } else {
                object = std::make_unique<RelayObject>(connection_, service_, status);
            }
        }
        emitPropertiesChangedSignal(INTERFACE_NAME);
    }

    sdbus::IConnection& connection_;
    IdentityService& service_;
    std::map<std::string, std::unique_ptr<RelayObject>> relays_;
};

}  // namespace

std::unique_ptr<BusObjects> publish_identity(sdbus::IConnection& connection, IdentityService& service) {
    return std::make_unique<ManagerObject>(connection, service);
}

}  // namespace lethe
