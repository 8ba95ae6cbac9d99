// lethe-generator NORMAL EARLY LATE: a systemd generator. For each relay with a torrc among the credentials it makes multi-user.target
// start tor@NAME.service, and lethe-identityd.service wait for the relay's user. On each of the kernel's consoles it has the state of the
// relays shown. When the image came over the network it masks the ESP's mounts.

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <print>

#include "pcrlock/booted_image.hpp"
#include "vault/configured_relays.hpp"
#include "vault/object.hpp"

namespace fs = std::filesystem;

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

int main(int count, char** values) try {
    if (count < 2) {
        std::println(stderr, "usage: lethe-generator NORMAL [EARLY LATE]");
        return 2;
    }
    const char* efivars = std::getenv("LETHE_EFIVARS");  // for tests
    if (count > 2 && lethe::booted_from_network(efivars ? efivars : "/sys/firmware/efi/efivars")) mask_esp(values[2]);
    const char* consoles = std::getenv("LETHE_CONSOLES");  // for tests
    want_consoles(values[1], consoles ? consoles : "/sys/class/tty/console/active");
    const char* only = std::getenv("LETHE_CREDSTORE");  // for tests
    const std::array<fs::path, 1> only_folder{only ? only : ""};
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
