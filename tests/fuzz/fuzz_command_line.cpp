// The arguments of lethectl. The input is the arguments, each ended by a NUL.

#include <algorithm>
#include <ranges>

#include "fuzz.hpp"
#include "lethectl/command_line.hpp"

using namespace lethe;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::string> arguments;
    for (const auto part : std::views::split(as_text({data, size}), '\0')) arguments.emplace_back(part.begin(), part.end());
    const auto read = ctl::parse_command_line(arguments);
    if (!read) {
        require(read.error().exit_status == ctl::exit_usage && !read.error().message.empty(), "a wrong command line is an error of usage");
        return 0;
    }
    const auto* call = std::get_if<ctl::Call>(&*read);
    if (!call) {
        require(!std::get<ctl::Text>(*read).text.empty(), "help has a text");
        return 0;
    }
    const std::size_t count = call->invocation.arguments.size();
    require(std::ranges::any_of(ctl::commands(), [&](const ctl::Command& command) { return &command == call->command; }),
            "it is a command");
    require(count >= call->command->least && count <= call->command->most, "a command gets the arguments that it takes");
    return 0;
}
