#pragma once

#include "tor/control_port.hpp"

namespace lethe {

/// The control port of a relay's tor, where its torrc has it. To connect to the socket of another user takes CAP_DAC_OVERRIDE.
/// @param patience  as of ControlPort::open().
/// @error of ControlPort::open() and control_address(); io
Result<ControlPort> open_control_port(const std::string& relay, std::chrono::milliseconds patience);

}  // namespace lethe
