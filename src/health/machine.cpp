#include "health/machine.hpp"

#include <poll.h>

#include <ctime>

#include "bus/client.hpp"
#include "image/last_update.hpp"
#include "image/release.hpp"
#include "image/trial.hpp"
#include "relay/control.hpp"

namespace lethe {
namespace {

constexpr std::chrono::seconds tor_patience{10};

std::string running_version() {
    const auto image = find_booted_image();
    if (!image || !image->uki) return "unknown";
    const auto release = parse_release_name(image->uki->filename().native());
    return release ? release->version : image->uki->filename().native();
}

}  // namespace

Result<IdentityStatus> MachineHealth::identity() { return read_identities(); }
Result<systemd::UnitState> MachineHealth::unit(const std::string& name) { return systemd::unit_state(name); }

Result<TorAnswers> MachineHealth::ask_tor(const std::string& relay, std::span<const std::string> keys) {
    auto port = TRY(open_control_port(relay, tor_patience));
    // Watched first, so that no change falls between the answer and the wait.
    TRY(port.watch_status());
    auto answers = TRY(port.get(keys));
    asked_.push_back(std::move(port));
    return answers;
}

Result<SecureBoot> MachineHealth::secure_boot() { return read_secure_boot("/sys/firmware/efi/efivars"); }

std::chrono::sys_seconds MachineHealth::booted() {
    timespec up{};
    ::clock_gettime(CLOCK_BOOTTIME, &up);
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) - std::chrono::seconds(up.tv_sec);
}

std::chrono::milliseconds MachineHealth::elapsed() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_);
}

void MachineHealth::wait(std::chrono::milliseconds most) {
    std::vector<pollfd> polled;
    for (const auto& port : asked_) polled.push_back({port.descriptor(), POLLIN, 0});
    ::poll(polled.data(), polled.size(), static_cast<int>(most.count()));
    asked_.clear();
}

// lethe-updated counts a boot that the boot loader could not count, when it starts, and it starts when it is asked. One that does not
// answer changes nothing about what the boot loader says.
Result<bool> MachineFallback::on_trial() {
    std::ignore = on_bus("org.lethe.Update1", [](sdbus::IConnection& connection) {
        const sdbus::Variant state =
            sdbus::createProxy(connection, sdbus::ServiceName{"org.lethe.Update1"}, sdbus::ObjectPath{"/org/lethe/Update1"})
                ->getProperty("PolicyState")
                .onInterface("org.lethe.Update1.Manager");
    });
    return lethe::on_trial();
}
Result<void> MachineFallback::note(const std::string& reason, bool network_alone) {
    const LastUpdate file("/var/lib/lethe/last-update");
    return file.write(file.of_trial(running_version(), reason, network_alone));
}
Result<void> MachineFallback::reboot() { return systemd::reboot(); }

}  // namespace lethe
