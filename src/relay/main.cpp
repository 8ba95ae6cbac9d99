// lethe-relay NAME: the ExecStart= of tor@NAME.service. Becomes tor when the relay's keys are the sealed ones; otherwise says why not and
// ends with status 78, on which the unit is not started again. It runs as the relay's own user and needs no rights beyond that.

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <print>

#include "bus/client.hpp"
#include "relay/gate.hpp"
#include "vault/object.hpp"

using namespace lethe;

namespace {

constexpr int exit_refused = 78;  // EX_CONFIG; RestartPreventExitStatus= in the unit names it

// What identityd says about a relay without a manifest.
std::string reason(const std::string& relay) {
    const std::string service = "org.lethe.Identity1", path = "/org/lethe/Identity1";
    const auto manager = text_properties(service, path, service + ".Manager");
    if (!manager) return manager.error().message + "; see `systemctl status lethe-identityd`";
    const auto text = [](const auto& properties, const char* name) {
        const auto found = properties.find(name);
        return found == properties.end() ? std::string{} : found->second;
    };
    if (const auto state = text(*manager, "VaultState"); state != "open")
        return std::format("the vault is {}: {}", state, text(*manager, "VaultReason"));
    const auto status = text_properties(service, path + "/relay/" + relay, service + ".Relay");
    if (status) return std::format("its keys are {}: {}", text(*status, "State"), text(*status, "Reason"));
    if (status.error().kind == ErrorKind::not_found)
        return std::format("it has no identity; make one with `lethectl identity create {}`", relay);
    return status.error().message;
}

std::filesystem::path torrc_of(const std::string& relay) {
    if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) {
        const auto torrc = std::filesystem::path(credentials) / "torrc";
        if (::access(torrc.c_str(), F_OK) == 0) return torrc;
    }
    return std::filesystem::path("/etc/tor/instances") / relay / "torrc";
}

Result<void> become_tor(const std::string& relay) {
    TRY(check_relay_name(relay));
    RuntimePaths paths;
    if (const char* path = std::getenv("LETHE_RUNTIME")) paths.runtime = path;  // for tests
    const auto keys = check_installed_keys(paths, relay);
    if (!keys && keys.error().kind == ErrorKind::not_found) return fail(ErrorKind::wrong_state, "{}", reason(relay));
    if (!keys) return std::unexpected(keys.error());
    const char* runtime = std::getenv("RUNTIME_DIRECTORY");
    if (!runtime) return fail(ErrorKind::invalid_argument, "RUNTIME_DIRECTORY is not set: start tor@{}.service instead", relay);
    const TorFiles files{.torrc = torrc_of(relay), .defaults = std::filesystem::path(runtime) / "defaults-torrc"};
    TRY(write_defaults(paths, relay, *keys, files));
    ::execl("/usr/bin/tor", "tor", "--defaults-torrc", files.defaults.c_str(), "-f", files.torrc.c_str(), nullptr);
    return fail_errno(errno, "/usr/bin/tor");
}

}  // namespace

int main(int count, char** values) {
    if (count != 2) {
        std::println(stderr, "usage: lethe-relay NAME");
        return 2;
    }
    const auto failed = become_tor(values[1]);
    std::println(stderr, "<3>relay {} does not start: {}", values[1], failed.error().message);
    // Where `lethectl status` finds it: the machine may have no shell to read the journal with.
    sd_notify(0, ("STATUS=" + failed.error().message).c_str());
    return exit_refused;
}
