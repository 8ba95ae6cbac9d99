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

// The command's own option that an argument is, "--name" or "--name=VALUE".
const Option* find_option(const Command& command, std::string_view argument) {
    const auto option = std::ranges::find(command.options, argument.substr(0, argument.find('=')), &Option::name);
    return option == command.options.end() ? nullptr : &*option;
}

// Takes an option that `arguments` begins with, and its value; returns how many arguments that were.
Outcome<std::size_t> take_option(const Option& option, std::span<const std::string> arguments, Invocation& invocation) {
    const std::string name(option.name.substr(2));
    const auto equals = arguments[0].find('=');
    const bool has_value = equals != std::string::npos;
    if (invocation.has(name) && !option.repeats) return usage(std::format("{} is given twice", option.name));
    if (option.value.empty() && has_value) return usage(std::format("{} takes no value", option.name));
    if (!option.value.empty() && !has_value && arguments.size() < 2) return usage(std::format("{} needs {}", option.name, option.value));
    const bool separate = !option.value.empty() && !has_value;
    invocation.options.emplace(name, option.value.empty() ? "" : separate ? arguments[1] : arguments[0].substr(equals + 1));
    return separate ? 2 : 1;
}

}  // namespace

Outcome<std::variant<Call, Text>> parse_command_line(std::span<const std::string> arguments) {
    Invocation invocation;
    std::vector<std::string> words;
    bool help = false, options = true;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& argument = arguments[i];
        const auto match = find(words);
        const bool passed_on = match && match->command->passes_on;
        const auto* own = match && options ? find_option(*match->command, argument) : nullptr;
        if (own) {
            const auto taken = take_option(*own, arguments.subspan(i), invocation);
            if (!taken) return std::unexpected(taken.error());
            i += *taken - 1;
        } else if (passed_on || !options || !argument.starts_with('-')) words.push_back(argument);
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
