#include "tor_state_oracle.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>

namespace lethe {

namespace fs = std::filesystem;

namespace {

// Empty when tor does not answer.
std::string ask_control_port(const fs::path& path, std::string_view commands) {
    const Fd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 60, .tv_usec = 0};
    setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    if (connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
    if (send(client.get(), commands.data(), commands.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(commands.size())) return {};
    std::string answer;
    std::array<char, 4096> buffer;
    for (ssize_t count; (count = recv(client.get(), buffer.data(), buffer.size(), 0)) > 0;)
        answer.append(buffer.data(), static_cast<std::size_t>(count));
    return answer;
}

// The third number of the line "bandwidth RATE BURST OBSERVED".
std::optional<std::uint64_t> observed_in(std::string_view descriptor) {
    constexpr std::string_view key = "\nbandwidth ";
    const std::size_t at = descriptor.find(key);
    if (at == std::string_view::npos) return {};
    const std::string_view line = descriptor.substr(at + key.size(), descriptor.find_first_of("\r\n", at + key.size()) - at - key.size());
    return parse_state_number(line.substr(line.rfind(' ') + 1), ~0ull);
}

}  // namespace

StateVerdict ask_tor_about_state(std::string_view state) {
    const TemporaryFolder data;
    const auto none = data / "none", control = data / "control";
    write_new_file(AT_FDCWD, data / "state", as_octets(state), 0600).value();
    std::string answer;
    const TorStart start =
        start_tor({"--defaults-torrc", none, "--ignore-missing-torrc", "-f", none, "--DataDirectory", data.path(), "--Address", "192.0.2.7",
                   "--AssumeReachable", "1", "--ControlPort", "unix:" + control.native()},
                  [&] { answer = ask_control_port(control, "AUTHENTICATE\r\nGETINFO status/fresh-relay-descs\r\nQUIT\r\n"); });
    return {.started = start.bootstraps,
            .kept = start.bootstraps && !fs::exists(data / "state.0"),
            .written = std::string(as_text(read_file(data / "state", 1 << 24).value())),
            .observed = observed_in(answer)};
}

std::chrono::sys_seconds wall_clock() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

BandwidthHistory history_at(std::chrono::sys_seconds now, std::vector<std::uint64_t> maxima, std::vector<std::uint64_t> values) {
    if (values.empty()) values.assign(maxima.size(), 0);
    return {
        .ends = now + std::chrono::hours(12), .interval = std::chrono::days(1), .values = std::move(values), .maxima = std::move(maxima)};
}

std::string state_with(std::chrono::sys_seconds now, const BandwidthHistory& read, const BandwidthHistory& write) {
    return std::format(
        "# Tor state file last generated on {0} local time\n# Other times below are in UTC\n\n{1}{2}Dormant 0\nLastWritten {0}\n"
        "TorVersion Tor 0.4.9.15\n",
        state_time(now), history_lines(Traffic::read, read), history_lines(Traffic::write, write));
}

}  // namespace lethe
