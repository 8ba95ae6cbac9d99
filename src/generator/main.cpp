// lethe-generator NORMAL EARLY LATE: a systemd generator. For each relay with a torrc among the credentials it makes multi-user.target
// start tor@NAME.service, and lethe-identityd.service wait for the relay's user. On each of the kernel's consoles it has the state of the
// relays shown. The image's ESP is mounted without waiting for udev, when the kernel knows it already, and of several disks with its label
// the one that the boot loader ran from; when the image came over the network, its mounts are masked. Whatever fails is said, and stops
// nothing else.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <print>
#include <vector>

#include "base/test_seam.hpp"
#include "image/booted_image.hpp"
#include "image/efi_variable.hpp"
#include "vault/configured_relays.hpp"
#include "vault/object.hpp"

namespace fs = std::filesystem;
using lethe::test_seam, lethe::test_seam_or, lethe::TestSeam;

constexpr std::string_view system_units = "/usr/lib/systemd/system";

// Prints what could not be made; whether it is there.
static bool is_made(const fs::path& what, const std::error_code& error) {
    if (error) std::println(stderr, "<3>{}: {}", what.native(), error.message());
    return !error;
}

static bool make_folder(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    return is_made(folder, error);
}

static bool make_link(const fs::path& target, const fs::path& link) {
    std::error_code error, unreadable;
    fs::create_symlink(target, link, error);
    const bool is_there = error == std::errc::file_exists && fs::read_symlink(link, unreadable) == target;
    return is_made(link, is_there ? std::error_code() : error);
}

static void want(const fs::path& folder, std::string_view wanting, std::string_view unit_template, std::string_view name) {
    const auto at = unit_template.find('@') + 1;
    const auto unit = std::format("{}{}{}", unit_template.substr(0, at), name, unit_template.substr(at));
    const auto wants = folder / std::format("{}.wants", wanting);
    if (make_folder(wants)) make_link(fs::path(system_units) / unit_template, wants / unit);
}

// An image that came over the network came without an ESP, and nobody shall wait for one.
static void mask_esp(const fs::path& early) {
    for (const char* unit : {"efi.mount", "var-lib-lethe.mount"}) make_link("/dev/null", early / unit);
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

// Every partition with that label that the kernel knows.
static std::vector<std::string> known_esps(const fs::path& block) {
    std::vector<std::string> esps;
    std::error_code error;
    for (auto device = fs::directory_iterator(block, error); !error && device != fs::directory_iterator(); device.increment(error))
        if (auto esp = esp_in(device->path() / "uevent")) esps.push_back(std::move(*esp));
    return esps;
}

// The GUID of the partition that the boot loader ran from, in lower case; nothing where it does not say, or another system has left the
// variable.
static std::optional<std::string> guid_of_loader(const fs::path& efivars) {
    constexpr std::string_view name = "LoaderDevicePartUUID", digits = "0123456789abcdef-";
    auto guid = lethe::read_loader_text(efivars, name).value_or("");
    if (lethe::outlives_boot(efivars, name).value_or(true)) return std::nullopt;
    std::ranges::transform(guid, guid.begin(), [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (guid.size() != 36 || guid.find_first_not_of(digits) != std::string::npos) return std::nullopt;
    return guid;
}

// What efi.mount shall mount instead of what it says; nothing when it stays with that.
static std::optional<fs::path> known_esp(const fs::path& normal, const fs::path& block, const fs::path& efivars) {
    const auto esps = known_esps(block);
    const auto link = normal / "lethe-esp";
    if (esps.size() == 1) return make_link("/dev/" + esps.front(), link) ? std::optional(link) : std::nullopt;
    const auto guid = guid_of_loader(efivars);
    return guid ? std::optional(fs::path("/dev/disk/by-partuuid") / *guid) : std::nullopt;
}

// udev goes through all devices a second time after the switch to the root, and a mount of what is below /dev waits for that. Of a link
// elsewhere systemd does not know that it is a device. Where the disk's driver is not loaded yet, or two disks have the label, udev
// decides, by what the boot loader says. An efi.mount that is not the image's own, as fstab's on an installed host, is for another
// partition, perhaps, and left alone.
static void mount_esp(const fs::path& normal, const fs::path& units, const fs::path& block, const fs::path& efivars) {
    std::error_code error;
    if (!fs::exists(units / "efi.mount", error)) return;
    const auto esp = known_esp(normal, block, efivars);
    const auto drop_ins = normal / "efi.mount.d", drop_in = drop_ins / "known.conf";
    if (!esp || !make_folder(drop_ins)) return;
    std::ofstream file(drop_in);
    file << "[Mount]\nWhat=" << esp->native() << "\n";
    file.close();
    if (!file) std::println(stderr, "<3>{}: cannot be written", drop_in.native());
}

int main(int count, char** values) try {
    if (count < 2) {
        std::println(stderr, "usage: lethe-generator NORMAL [EARLY LATE]");
        return 2;
    }
    const fs::path efivars = test_seam_or(TestSeam::efivars, "/sys/firmware/efi/efivars");
    if (count > 2 && lethe::booted_from_network(efivars)) mask_esp(values[2]);
    mount_esp(values[1], test_seam_or(TestSeam::units, std::string(system_units)),
              test_seam_or(TestSeam::block_devices, "/sys/class/block"), efivars);
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
