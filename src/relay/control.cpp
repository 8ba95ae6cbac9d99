#include "relay/control.hpp"

#include "base/file.hpp"
#include "tor/torrc.hpp"
#include "vault/configured_relays.hpp"

namespace lethe {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

Result<ControlPort> open_control_port(const std::string& relay, std::chrono::milliseconds patience) {
    const auto runtime = relay_paths(relay, "").runtime_directory;
    return ControlPort::open(TRY(control_address(TRY(torrc_of(relay)), runtime / "control")), patience);
}

}  // namespace lethe
