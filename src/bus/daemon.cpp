#include "bus/daemon.hpp"

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include <csignal>
#include <print>

namespace lethe {
namespace {

struct Unref {
    void operator()(sd_event* loop) const { sd_event_unref(loop); }
};

// A loop that ends by itself on SIGTERM and SIGINT, which are blocked for the whole process so that they arrive nowhere else.
Result<std::unique_ptr<sd_event, Unref>> event_loop() {
    sd_event* loop = nullptr;
    if (const int r = sd_event_new(&loop); r < 0) return fail_errno(-r, "event loop");
    std::unique_ptr<sd_event, Unref> owner(loop);
    for (const int signal : {SIGTERM, SIGINT}) {
        if (const int r = sd_event_add_signal(loop, nullptr, signal | SD_EVENT_SIGNAL_PROCMASK, nullptr, nullptr); r < 0)
            return fail_errno(-r, "signal handling");
    }
    return owner;
}

// libsystemd answers org.freedesktop.DBus.Peer by itself, and gives up the connection when it has no answer: on a machine without
// /etc/machine-id whoever may send a message could end the service.
int answer_machine_id(sd_bus_message* message, void*, sd_bus_error*) {
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", "GetMachineId") <= 0) return 0;
    sd_id128_t id;
    if (sd_id128_get_machine(&id) >= 0) return 0;
    sd_bus_reply_method_errorf(message, SD_BUS_ERROR_NOT_SUPPORTED, "this machine has no id: /etc/machine-id is missing or not whole");
    return 1;
}

std::unique_ptr<sdbus::IConnection> open_system_bus() {
    sd_bus* bus = nullptr;
    if (const int r = sd_bus_open_system(&bus); r < 0) throw sdbus::createError(-r, "Failed to open system bus");
    if (const int r = sd_bus_add_filter(bus, nullptr, answer_machine_id, nullptr); r < 0) {
        sd_bus_unref(bus);
        throw sdbus::createError(-r, "Failed to add a filter to the system bus");
    }
    return sdbus::createBusConnection(bus);  // takes it over
}

Result<void> serve_on_bus(const std::string& bus_name, const Publish& publish) {
    std::signal(SIGPIPE, SIG_IGN);
    const auto loop = TRY(event_loop());
    const auto connection = open_system_bus();
    connection->attachSdEventLoop(loop.get());
    const auto objects = TRY(publish(*connection, loop.get()));
    connection->requestName(sdbus::ServiceName{bus_name});
    sd_notify(0, "READY=1");
    const int r = sd_event_loop(loop.get());
    sd_notify(0, "STOPPING=1");
    if (r < 0) return fail_errno(-r, "event loop (is the system bus still there?)");
    return {};
}

}  // namespace

Result<void> serve(const std::string& bus_name, const Publish& publish) {
    try {
        return serve_on_bus(bus_name, publish);
    } catch (const sdbus::Error& error) {
        return fail(ErrorKind::io, "system bus: {} ({})", error.getMessage(), std::string{error.getName()});
    }
}

int exit_status(const Result<void>& result) {
    if (result) return 0;
    std::println(stderr, "<3>{}", result.error().message);
    return 1;
}

}  // namespace lethe
