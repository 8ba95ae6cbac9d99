#include "tor/control_port_place.hpp"

#include <strings.h>

#include <charconv>
#include <optional>
#include <vector>

#include "tor/torrc_line.hpp"

namespace lethe {
namespace {

// The values of an option of which there may be several, as tor gathers them.
class Values {
public:
    Values(const char* option, std::vector<std::string> defaults) : option_(option), values_(std::move(defaults)) {}

    void take(const TorrcLine& line) {
        if (::strcasecmp(line.name.c_str(), option_) != 0) return;
        if (line.prefix == '/' || (line.prefix == 0 && !is_replaced_)) values_.clear();
        if (line.prefix != '+') is_replaced_ = true;
        if (line.prefix != '/') values_.push_back(line.value);
    }
    const std::vector<std::string>& get() const { return values_; }

private:
    const char* option_;
    std::vector<std::string> values_;
    bool is_replaced_ = false;
};

// The place in a value: what follows it are flags.
std::string_view place_in(std::string_view value) {
    const std::string_view ends = value.contains('"') ? "\"" : " \t";
    if (value.starts_with("unix:\"")) value.remove_prefix(6);
    else if (value.starts_with("unix:")) value.remove_prefix(5);
    return value.substr(0, value.find_first_of(ends));
}

std::optional<ControlAddress> socket_in(std::string_view value) {
    const auto place = place_in(value);
    if (!place.starts_with('/')) return std::nullopt;
    return std::filesystem::path(place);
}

std::optional<ControlAddress> port_in(std::string_view value) {
    if (value.starts_with("unix:")) return socket_in(value);
    auto place = place_in(value);
    for (const std::string_view host : {"127.0.0.1:", "localhost:"})
        if (place.starts_with(host)) place.remove_prefix(host.size());
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(place.data(), place.data() + place.size(), port);
    if (error != std::errc{} || end != place.data() + place.size() || port == 0) return std::nullopt;
    return port;
}

}  // namespace

std::string to_text(const ControlAddress& address) {
    if (const auto* socket = std::get_if<std::filesystem::path>(&address)) return socket->native();
    return std::format("127.0.0.1:{}", std::get<std::uint16_t>(address));
}

Result<ControlAddress> control_address(std::string_view torrc, const std::filesystem::path& default_socket) {
    Values sockets("ControlSocket", {default_socket.native()}), ports("ControlPort", {});
    TorrcReader reader(torrc);
    while (const auto line = TRY(reader.next())) {
        sockets.take(*line);
        ports.take(*line);
    }
    for (const auto& value : sockets.get())
        if (const auto address = socket_in(value)) return *address;
    for (const auto& value : ports.get())
        if (const auto address = port_in(value)) return *address;
    return fail(ErrorKind::wrong_state,
                "its torrc takes tor's control socket away and names no other that Lethe can reach: leave ControlSocket out of it");
}

}  // namespace lethe
