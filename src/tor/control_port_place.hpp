#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"

namespace lethe {

/// Where a tor takes commands: a Unix socket, or a TCP port of 127.0.0.1.
using ControlAddress = std::variant<std::filesystem::path, std::uint16_t>;

/// For messages.
std::string to_text(const ControlAddress& address);

/// Where a relay's tor takes commands, when it has this torrc: at the socket of the defaults torrc, unless the torrc takes that away.
/// Options count that are written in full.
///
/// @param default_socket  RelayPaths::runtime_directory / "control"
/// @error wrong_state       nowhere that can be told from the torrc; says what to write.
/// @error invalid_argument  a torrc that tor would not take; names the line.
/// Source: tor 0.4.9, lib/encoding/confline.c (a line replaces the default, the next ones and '+' add, '/' clears),
/// feature/relay/relay_config.c and app/config/config.c, port_parse_config.
Result<ControlAddress> control_address(std::string_view torrc, const std::filesystem::path& default_socket);

}  // namespace lethe
