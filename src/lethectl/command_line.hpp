#pragma once

#include <variant>

#include "lethectl/command.hpp"

namespace lethe::ctl {

/// A command to run and what to run it with.
struct Call {
    const Command* command;
    Invocation invocation;
};
/// Text to print instead: help, version.
struct Text {
    std::string text;
};

/// Reads the arguments after the program's name. Options may stand anywhere, except after a command that passes them on.
/// Fails with exit_usage.
Outcome<std::variant<Call, Text>> parse_command_line(std::span<const std::string> arguments);

}  // namespace lethe::ctl
