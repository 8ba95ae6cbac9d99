// lethe-relay NAME: the ExecStart= of tor@NAME.service. Becomes tor when the relay's keys are the sealed ones; otherwise says why not and
// ends with status 78, on which the unit is not started again. It runs as the relay's own user and needs no rights beyond that.

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <print>

#include "base/file.hpp"
#include "base/test_seam.hpp"
#include "relay/clock.hpp"
#include "relay/gate.hpp"
#include "relay/restored_state.hpp"
#include "tor/torrc.hpp"
#include "vault/configuration.hpp"

using namespace lethe;

namespace {

constexpr int exit_refused = 78;  // EX_CONFIG; RestartPreventExitStatus= in the unit names it
constexpr int exit_later = 75;    // EX_TEMPFAIL: systemd starts it again

// Why tor does not start, and what the process ends with.
struct Refusal {
    Refusal(Error why, int status = exit_refused) : error(std::move(why)), exit_status(status) {}
    Error error;
    int exit_status;
};

// What identityd says about a relay without a manifest. It leaves it in files: what becomes tor does not see the bus.
std::string reason(const RuntimePaths& paths, const std::string& relay) {
    constexpr std::size_t limit_octets = 4096;
    const auto vault = read_file(paths.vault_reason(), limit_octets);
    if (!vault) return "lethe-identityd has not said why; see `systemctl status lethe-identityd`";
    if (!vault->empty()) return std::string(as_text(*vault));
    const auto why = read_file(paths.reason(relay), limit_octets);
    if (why) return std::string(as_text(*why));
    if (why.error().kind == ErrorKind::not_found)
        return std::format("it has no identity; make one with `lethectl identity create {}`", relay);
    return why.error().message;
}

std::filesystem::path torrc_of(const std::string& relay) {
    if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) {
        const auto torrc = std::filesystem::path(credentials) / "torrc";
        if (::access(torrc.c_str(), F_OK) == 0) return torrc;
    }
    return std::filesystem::path("/etc/tor/instances") / relay / "torrc";
}

void tell_waiting(const std::string& what) {
    constexpr auto extend_us = "30000000";
    sd_notify(0, std::format("EXTEND_TIMEOUT_USEC={}\nSTATUS=tor waits: {}", extend_us, what).c_str());
}

void tell_loss(const std::string& relay, const std::string& loss) {
    std::println(stderr, "<4>relay {}: {}", relay, loss);
    sd_notify(0, ("STATUS=" + loss).c_str());
}

// Its state, when lethe-stated has any for it, and a clock with which tor does not throw that away.
std::expected<void, Refusal> take_over(const RuntimePaths& paths, const std::string& relay) {
    const auto configuration = TRY(read_configuration());
    const std::filesystem::path restored = test_seam_or(TestSeam::state, "/run/lethe-state");
    auto folders = relay_paths(relay, paths.key_folder("").parent_path());
    if (const auto instances = test_seam(TestSeam::instances)) folders.data_directory = std::filesystem::path(*instances) / relay;
    const StateFolders state{.laid_out = restored / "restored" / relay,
                             .reason = restored / "nothing" / relay,
                             .data = folders.data_directory,
                             .keys = folders.key_directory};
    SystemClock clock;
    // A second time, once a time server has set the clock and the state turns out to be from the future.
    while (true) {
        const auto now = clock.synchronised() ? std::optional(clock.now()) : std::nullopt;
        const auto taken = TRY(take_over_state(state, configuration.require_state, now));
        if (!taken.loss.empty()) tell_loss(relay, taken.loss);
        const auto waited = wait_for_clock(clock, {configuration.wait_for_clock, configuration.clock_timeout, taken.written}, tell_waiting);
        if (!waited) return std::unexpected(Refusal(waited.error(), exit_later));
        if (*waited == ClockVerdict::right) return {};
    }
}

std::expected<void, Refusal> become_tor(const std::string& relay) {
    TRY(check_relay_name(relay));
    RuntimePaths paths;
    paths.runtime = test_seam_or(TestSeam::runtime, paths.runtime);
    const auto keys = check_installed_keys(paths, relay);
    if (!keys && keys.error().kind == ErrorKind::not_found) return fail(ErrorKind::wrong_state, "{}", reason(paths, relay));
    if (!keys) return std::unexpected(keys.error());
    const auto configuration = TRY(read_configuration());
    TRY(check_pinned(paths, relay, configuration.fingerprints));
    const char* runtime = std::getenv("RUNTIME_DIRECTORY");
    if (!runtime) return fail(ErrorKind::invalid_argument, "RUNTIME_DIRECTORY is not set: start tor@{}.service instead", relay);
    const TorFiles files{.torrc = torrc_of(relay), .defaults = std::filesystem::path(runtime) / "defaults-torrc"};
    TRY(write_defaults(paths, relay, *keys, files));
    TRY(take_over(paths, relay));
    ::execl("/usr/bin/tor", "tor", "--defaults-torrc", files.defaults.c_str(), "-f", files.torrc.c_str(), nullptr);
    return fail_errno(errno, "/usr/bin/tor");
}

}  // namespace

int main(int count, char** values) {
    if (count != 2) {
        std::println(stderr, "usage: lethe-relay NAME");
        return 2;
    }
    const Refusal refused = become_tor(values[1]).error();
    std::println(stderr, "<3>relay {} does not start: {}", values[1], refused.error.message);
    // Where `lethectl status` finds it: the machine may have no shell to read the journal with.
    sd_notify(0, ("STATUS=" + refused.error.message).c_str());
    return refused.exit_status;
}
