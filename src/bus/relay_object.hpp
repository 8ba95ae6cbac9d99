#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <memory>

namespace lethe {

/// What a daemon says of one relay on the bus, until it is destroyed. A daemon derives its own from it, which answers the properties of the
/// adaptor from `status_` and calls announce() in its constructor. Borrows the connection.
template <typename Adaptor, typename Status>
class RelayObject : public sdbus::AdaptorInterfaces<Adaptor, sdbus::Properties_adaptor, sdbus::ManagedObject_adaptor> {
public:
    void update(const Status& status) {
        if (status == status_) return;
        status_ = status;
        this->emitPropertiesChangedSignal(Adaptor::INTERFACE_NAME);
    }

protected:
    RelayObject(sdbus::IConnection& connection, sdbus::ObjectPath path, Status status)
        : RelayObject::AdaptorInterfaces(connection, std::move(path)), status_(std::move(status)) {}
    ~RelayObject() {
        try {
            this->emitInterfacesRemovedSignal({sdbus::InterfaceName{Adaptor::INTERFACE_NAME}});
        } catch (const sdbus::Error&) {
            // The bus is gone, and with it everybody who would want to know.
        }
        this->unregisterAdaptor();
    }

    // Not in the constructor here: the signal carries the properties, which the derived class answers.
    void announce() {
        this->registerAdaptor();
        this->emitInterfacesAddedSignal({sdbus::InterfaceName{Adaptor::INTERFACE_NAME}});
    }

    Status status_;
};

/// Brings the objects on the bus to the statuses, both by the relay's name. A missing Object is made of `arguments` and its status.
template <typename Object, typename Status, typename... Arguments>
void reconcile(std::map<std::string, std::unique_ptr<Object>>& objects, const std::map<std::string, Status>& statuses,
               Arguments&... arguments) {
    std::erase_if(objects, [&](const auto& object) { return !statuses.contains(object.first); });
    for (const auto& [name, status] : statuses) {
        if (auto& object = objects[name]) object->update(status);
        else object = std::make_unique<Object>(arguments..., status);
    }
}

}  // namespace lethe
