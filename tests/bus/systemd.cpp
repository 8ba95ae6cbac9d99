// systemd UNIT=ACTIVESTATE=STATUSTEXT...: what lethe-health needs of systemd on a private bus. Says "ready", and then each job that is
// asked for. Ends with the bus, or by a signal.

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <cstdlib>
#include <iostream>
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
    const auto manager = sdbus::createObject(*connection, sdbus::ObjectPath{root});
    manager
        ->addVTable(sdbus::registerMethod("StartUnit").implementedAs([](const std::string& unit, const std::string& mode) {
            std::cout << unit << " " << mode << std::endl;
            return sdbus::ObjectPath{root + "/job/1"};
        }))
        .forInterface(sdbus::InterfaceName{name + ".Manager"});
    std::vector<std::unique_ptr<sdbus::IObject>> units;
    for (int i = 1; i < count; ++i) units.push_back(publish_unit(*connection, values[i]));
    connection->requestName(sdbus::ServiceName{name});
    std::cout << "ready" << std::endl;
    connection->enterEventLoop();
}
