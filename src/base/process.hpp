#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lethe {

struct Command {
    std::vector<std::string> arguments;      ///< the first is the program's absolute path
    std::vector<std::string> environment{};  ///< "NAME=value"; the whole environment, nothing is inherited
    std::string standard_input{};            ///< written to the program, then end of file
    std::chrono::seconds limit{60};          ///< after that the program is killed
};

struct Outcome {
    int exit_status;  ///< 128 + the signal's number when a signal ended it
    std::string standard_output;
    std::string standard_error;
};

/// Runs a program to its end and collects what it prints (1 MiB a stream at most, the rest is discarded).
/// @error io  it cannot be started, or did not end within the limit.
Result<Outcome> run(const Command& command);

/// The last line of what a program printed, without its newline: as a rule the one that says why it failed.
std::string last_line(std::string_view text);

}  // namespace lethe
