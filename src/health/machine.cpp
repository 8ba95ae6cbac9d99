#include "health/machine.hpp"

#include <poll.h>

#include <ctime>

#include "base/file.hpp"
#include "health/bus.hpp"
#include "image/release.hpp"
#include "image/trial.hpp"
#include "tor/torrc.hpp"
#include "vault/configured_relays.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds tor_patience{10};
constexpr std::size_t torrc_limit_octets = 64 << 10;

// The operator's torrc; empty when there is none, as then nothing differs from the defaults.
Result<std::string> torrc_of(const std::string& relay) {
    std::vector<fs::path> files;
    for (const auto& folder : credential_folders) files.push_back(folder / ("lethe.torrc." + relay));
    files.push_back(fs::path("/etc/tor/instances") / relay / "torrc");
    for (const auto& file : files) {
        const auto octets = read_file(file, torrc_limit_octets);
        if (!octets && octets.error().kind == ErrorKind::not_found) continue;
        if (!octets) return std::unexpected(octets.error());
        return std::string(as_text(*octets));
    }
    return "";
}

std::string running_version() {
    const auto image = find_booted_image();
    if (!image || !image->uki) return "unknown";
    const auto release = parse_release_name(image->uki->filename().native());
    return release ? release->version : image->uki->filename().native();
}

}  // namespace

Result<IdentityStatus> MachineHealth::identity() { return read_identity(); }
Result<UnitState> MachineHealth::unit(const std::string& name) { return read_unit(name); }

Result<TorAnswers> MachineHealth::ask_tor(const std::string& relay, std::span<const std::string> keys) {
    const auto runtime = relay_paths(relay, "").runtime_directory;
    auto port = TRY(ControlPort::open(TRY(control_address(TRY(torrc_of(relay)), runtime / "control")), tor_patience));
    // Watched first, so that no change falls between the answer and the wait.
    TRY(port.watch_status());
    auto answers = TRY(port.get(keys));
    asked_.push_back(std::move(port));
    return answers;
}

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

Result<bool> MachineFallback::on_trial() { return lethe::on_trial(); }
Result<void> MachineFallback::note(const std::string& reason) {
    return write_last_update("/var/lib/lethe/last-update", running_version(), reason);
}
Result<void> MachineFallback::reboot() { return ask_for_reboot(); }

}  // namespace lethe
