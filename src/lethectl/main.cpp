#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>

#include "base/printable.hpp"
#include "lethectl/command_line.hpp"

using namespace lethe::ctl;

static int report(const Failure& failure, bool json) {
    const auto message = lethe::printable(failure.message);
    if (json) std::cout << nlohmann::ordered_json{{"error", failure.error_name}, {"message", message}}.dump(2) << "\n";
    std::cerr << "lethectl: " << message << "\n";
    return failure.exit_status;
}

int main(int count, char** values) {
    const std::vector<std::string> arguments(values + std::min(count, 1), values + count);
    const auto parsed = parse_command_line(arguments);
    if (!parsed) return report(parsed.error(), false);
    if (const auto* text = std::get_if<Text>(&*parsed)) {
        std::cout << text->text;
        return exit_ok;
    }
    const auto& [command, invocation] = std::get<Call>(*parsed);
    const auto status = command->run(invocation);
    return status ? *status : report(status.error(), invocation.json);
}
