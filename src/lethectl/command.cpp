#include "lethectl/command.hpp"

#include <array>
#include <format>

namespace lethe::ctl {

std::span<const Command> commands() {
    static constexpr std::array table = {
        Command{"status", "", "show whether the vault is open and how each relay is", status},
        Command{"enroll", "[OPTION]...", "seal a new vault to this machine and this boot (root)", enroll, 0, 64, true},
        Command{"identity list", "", "list the relays and their fingerprints", identity_list},
        Command{"identity show", "NAME", "show all about one relay's keys", identity_show, 1, 1},
        Command{"identity create", "NAME", "make, seal and install the keys of a new relay (root)", identity_create, 1, 1},
        Command{"identity verify", "[NAME]", "check that what is sealed is whole and is what is installed", identity_verify, 0, 1},
        Command{"identity reload", "", "open the vault again and install what is not installed (root)", identity_reload},
    };
    return table;
}

std::string help_text() {
    std::string text = "usage: lethectl [--json] COMMAND [ARGUMENT]...\n\ncommands:\n";
    for (const auto& command : commands())
        text += std::format("  {:<25} {}\n", std::format("{} {}", command.name, command.arguments), command.help);
    return text +
           "\noptions:\n"
           "  --json                    print JSON\n"
           "  -h, --help                print this, or with a command its own help\n"
           "  --version                 print the version\n"
           "\nexit status: 0 done, 1 failed, 2 wrong usage, 3 something needs a person, 4 refused; see lethectl(1)\n";
}

std::string help_text(const Command& command) {
    return std::format("usage: lethectl [--json] {}{}{}\n\n{}\n", command.name, command.arguments.empty() ? "" : " ", command.arguments,
                       command.help);
}

}  // namespace lethe::ctl
