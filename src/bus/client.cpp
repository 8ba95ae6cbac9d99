#include "bus/client.hpp"

#include <sdbus-c++/sdbus-c++.h>

namespace lethe {

Result<std::map<std::string, std::string>> text_properties(const std::string& service, const std::string& path,
                                                           const std::string& interface) {
    try {
        const auto connection = sdbus::createSystemBusConnection();
        const auto proxy = sdbus::createProxy(*connection, sdbus::ServiceName{service}, sdbus::ObjectPath{path});
        const std::map<sdbus::PropertyName, sdbus::Variant> properties = proxy->getAllProperties().onInterface(interface);
        std::map<std::string, std::string> texts;
        for (const auto& [name, value] : properties) {
            if (value.containsValueOfType<std::string>()) texts[name] = value.get<std::string>();
        }
        return texts;
    } catch (const sdbus::Error& error) {
        const std::string& name = error.getName();
        if (name.ends_with(".UnknownObject") || name.ends_with(".UnknownInterface") || name.ends_with(".UnknownMethod"))
            return fail(ErrorKind::not_found, "no object {}", path);
        if (name.ends_with(".ServiceUnknown") || name.ends_with(".NameHasNoOwner") || name.ends_with(".FileNotFound"))
            return fail(ErrorKind::wrong_state, "{} is not running", service);
        return fail(ErrorKind::io, "{}: {} ({})", service, error.getMessage(), name);
    }
}

}  // namespace lethe
