// lethe-generator NORMAL EARLY LATE: a systemd generator. For each relay with a torrc among the credentials it makes multi-user.target
// start tor@NAME.service, and lethe-identityd.service wait for the relay's user. On each of the kernel's consoles it has the state of the
// relays shown. The ESP is mounted without waiting for udev, when the kernel knows it already; when the image came over the network, its
// mounts are masked.

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <print>

#include "base/test_seam.hpp"
#include "image/booted_image.hpp"
#include "vault/configured_relays.hpp"
#include "vault/object.hpp"

namespace fs = std::filesystem;
using lethe::test_seam, lethe::test_seam_or, lethe::TestSeam;

static void want(const fs::path& folder, std::string_view wanting, std::string_view unit_template, std::string_view name) {
    const auto at = unit_template.find('@') + 1;
    const auto unit = std::format("{}{}{}", unit_template.substr(0, at), name, unit_template.substr(at));
    const auto wants = folder / std::format("{}.wants", wanting);
    fs::create_directories(wants);
    std::error_code error;
    fs::create_symlink(fs::path("/usr/lib/systemd/system") / unit_template, wants / unit, error);
    if (error && error != std::errc::file_exists) std::println(stderr, "<3>{}: {}", (wants / unit).native(), error.message());
}

// An image that came over the network came without an ESP, and nobody shall wait for one.
static void mask_esp(const fs::path& early) {
    for (const char* unit : {"efi.mount", "var-lib-lethe.mount"}) {
        std::error_code error;
        fs::create_symlink("/dev/null", early / unit, error);
        if (error && error != std::errc::file_exists) std::println(stderr, "<3>{}: {}", (early / unit).native(), error.message());
    }
}

// A line like "tty0 ttyS0".
static void want_consoles(const fs::path& folder, const fs::path& active) {
    std::ifstream consoles(active);
    for (std::string console; consoles >> console;) want(folder, "multi-user.target", "lethe-console@.service", console);
}

// The name of the device in one `uevent` file of the kernel's, when it is a partition with the ESP's label.
static std::optional<std::string> esp_in(const fs::path& uevent) {
    std::ifstream lines(uevent);
    std::string device, label;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("DEVNAME=")) device = line.substr(8);
        if (line.starts_with("PARTNAME=")) label = line.substr(9);
    }
    if (label != "lethe-esp" || device.empty() || device.contains('/')) return std::nullopt;
    return device;
}

// udev goes through all devices a second time after the switch to the root, and a mount of what is below /dev waits for that. Of a link
// elsewhere systemd does not know that it is a device. Where the disk's driver is not loaded yet, or two disks have the label, udev
// decides.
static void mount_known_esp(const fs::path& normal, const fs::path& block) {
    std::optional<std::string> found;
    std::error_code error;
    for (const auto& device : fs::directory_iterator(block, error)) {
        const auto esp = esp_in(device.path() / "uevent");
        if (esp && found) return;
        if (esp) found = esp;
    }
    if (!found) return;
    const auto link = normal / "lethe-esp", drop_ins = normal / "efi.mount.d";
    fs::create_directories(drop_ins);
    fs::create_symlink("/dev/" + *found, link);
    std::ofstream(drop_ins / "known.conf") << "[Mount]\nWhat=" << link.native() << "\n";
}

int main(int count, char** values) try {
    if (count < 2) {
        std::println(stderr, "usage: lethe-generator NORMAL [EARLY LATE]");
        return 2;
    }
    const fs::path efivars = test_seam_or(TestSeam::efivars, "/sys/firmware/efi/efivars");
    if (count > 2 && lethe::booted_from_network(efivars)) mask_esp(values[2]);
    mount_known_esp(values[1], test_seam_or(TestSeam::block_devices, "/sys/class/block"));
    want_consoles(values[1], test_seam_or(TestSeam::consoles, "/sys/class/tty/console/active"));
    const auto only = test_seam(TestSeam::credentials);
    const std::array<fs::path, 1> only_folder{only.value_or("")};
    const auto relays = only ? lethe::configured_relays(only_folder) : lethe::configured_relays(lethe::credential_folders);
    for (const auto& name : relays.refused)
        std::println(stderr, "<3>credential lethe.torrc.{}: {}", name, lethe::check_relay_name(name).error().message);
    for (const auto& name : relays.names) {
        want(values[1], "multi-user.target", "tor@.service", name);
        want(values[1], "lethe-identityd.service", "lethe-relay-user@.service", name);
    }
} catch (const std::exception& error) {
    std::println(stderr, "<3>lethe-generator: {}", error.what());
    return 1;
}
