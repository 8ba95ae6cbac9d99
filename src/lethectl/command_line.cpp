#include "lethectl/command_line.hpp"

#include <algorithm>
#include <format>
#include <optional>

namespace lethe::ctl {
namespace {

// The command whose name the words begin with, and how many words that takes.
struct Match {
    const Command* command;
    std::size_t words;
};

std::optional<Match> find(std::span<const std::string> words) {
    for (const auto& command : commands()) {
        if (!words.empty() && command.name == words[0]) return Match{&command, 1};
        if (words.size() > 1 && command.name == words[0] + " " + words[1]) return Match{&command, 2};
    }
    return std::nullopt;
}

std::unexpected<Failure> usage(std::string message) {
    return std::unexpected(Failure{exit_usage, message + "; see `lethectl --help`", {}});
}

}  // namespace

Outcome<std::variant<Call, Text>> parse_command_line(std::span<const std::string> arguments) {
    Invocation invocation;
    std::vector<std::string> words;
    bool help = false, options = true;
    for (const auto& argument : arguments) {
        const auto match = find(words);
        const bool passed_on = match && match->command->passes_on;
        if (passed_on || !options || !argument.starts_with('-')) words.push_back(argument);
        else if (argument == "--") options = false;
        else if (argument == "--json") invocation.json = true;
        else if (argument == "--help" || argument == "-h") help = true;
        else if (argument == "--version") return Text{"lethectl " LETHE_VERSION "\n"};
        else return usage("unknown option " + argument);
    }
    const auto match = find(words);
    if (help) return Text{match ? help_text(*match->command) : help_text()};
    if (words.empty()) return usage("no command");
    if (!match)
        return usage(std::format("unknown command {}{}{}", words[0], words.size() > 1 ? " " : "", words.size() > 1 ? words[1] : ""));
    const auto& command = *match->command;
    invocation.arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(match->words), words.end());
    if (invocation.arguments.size() < command.least || invocation.arguments.size() > command.most)
        return usage(std::format("{} takes {}", command.name, command.arguments.empty() ? "no argument" : command.arguments));
    return Call{&command, std::move(invocation)};
}

}  // namespace lethe::ctl
