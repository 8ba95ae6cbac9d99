// systemd UNIT=ACTIVESTATE=STATUSTEXT...: what lethe-health needs of systemd on a private bus. Says "ready", and then each job that is
// asked for. Ends with the bus, or by a signal.

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <span>
#include <sstream>

static const std::string root = "/org/freedesktop/systemd1", name = "org.freedesktop.systemd1";

static sdbus::ObjectPath path_of(const std::string& unit) {
    char* path = nullptr;
    if (sd_bus_path_encode((root + "/unit").c_str(), unit.c_str(), &path) < 0) std::abort();
    return sdbus::ObjectPath{std::unique_ptr<char, decltype(&std::free)>(path, &std::free).get()};
}

static std::unique_ptr<sdbus::IObject> publish_unit(sdbus::IConnection& connection, const std::string& told) {
    std::istringstream parts(told);
    std::string unit, active, text;
    std::getline(std::getline(std::getline(parts, unit, '='), active, '='), text);
    auto object = sdbus::createObject(connection, path_of(unit));
    object->addVTable(sdbus::registerProperty("ActiveState").withGetter([active] { return active; }))
        .forInterface(sdbus::InterfaceName{name + ".Unit"});
    object->addVTable(sdbus::registerProperty("StatusText").withGetter([text] { return text; }))
        .forInterface(sdbus::InterfaceName{name + ".Service"});
    return object;
}

int main(int count, char** values) {
    const auto connection = sdbus::createSystemBusConnection();
    std::map<std::string, std::unique_ptr<sdbus::IObject>> units;
    const auto manager = sdbus::createObject(*connection, sdbus::ObjectPath{root});
    manager
        ->addVTable(sdbus::registerMethod("StartUnit").implementedAs([](const std::string& unit, const std::string& mode) {
            std::cout << unit << " " << mode << std::endl;
            return sdbus::ObjectPath{root + "/job/1"};
        }),
                    sdbus::registerMethod("GetUnit").implementedAs([&units](const std::string& unit) {
                        if (const auto found = units.find(unit); found != units.end()) return path_of(unit);
                        throw sdbus::Error{sdbus::Error::Name{name + ".NoSuchUnit"}, "no such unit"};
                    }))
        .forInterface(sdbus::InterfaceName{name + ".Manager"});
    for (const std::string told : std::span(values, static_cast<std::size_t>(count)).subspan(1))
        units[told.substr(0, told.find('='))] = publish_unit(*connection, told);
    connection->requestName(sdbus::ServiceName{name});
    std::cout << "ready" << std::endl;
    connection->enterEventLoop();
}
