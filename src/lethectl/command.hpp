#pragma once

#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::ctl {

/// The exit statuses, as lethectl(1) documents them.
enum Exit : int {
    exit_ok = 0,
    exit_failed = 1,  ///< the system or the service failed
    exit_usage = 2,   ///< the command line is wrong
    exit_person =
        3,  ///< it works as built, and something needs a person: the vault is shut, keys are damaged, state is lost, a service is away
    exit_refused = 4,  ///< not allowed, already there, no such relay, or an update that is not admitted
};

/// Why a command did not do what it should; printed by main.
struct Failure {
    int exit_status;
    std::string message;
    std::string error_name;  ///< the D-Bus error, when there is one
};
template <class T>
using Outcome = std::expected<T, Failure>;

/// What a command was called with.
struct Invocation {
    bool json = false;
    std::vector<std::string> arguments;
    std::multimap<std::string, std::string> options{};  ///< of the command, by name without dashes; a switch has an empty value

    bool has(const std::string& option) const { return options.contains(option); }
    std::optional<std::string> option(const std::string& name) const {
        const auto found = options.find(name);
        return found == options.end() ? std::nullopt : std::optional(found->second);
    }
    /// Every value of an option that may be repeated, as they were given.
    std::vector<std::string> all(const std::string& name) const {
        std::vector<std::string> values;
        for (auto [value, end] = options.equal_range(name); value != end; ++value) values.push_back(value->second);
        return values;
    }
};

/// An option that one command has.
struct Option {
    std::string_view name;   ///< with its dashes
    std::string_view value;  ///< what it takes, "FILE"; empty for a switch
    std::string_view help;   ///< one line
    bool repeats = false;    ///< may be given several times
};

struct Command {
    std::string_view name;       ///< one or two words
    std::string_view arguments;  ///< for the help, "NAME" or "[NAME]"
    std::string_view help;       ///< one line
    Outcome<int> (*run)(const Invocation&);
    unsigned least = 0;  ///< arguments needed
    unsigned most = 0;   ///< arguments taken
    std::span<const Option> options{};
    bool passes_on = false;  ///< options after its name belong to another program
};

Outcome<int> status(const Invocation&);
Outcome<int> enroll(const Invocation&);
Outcome<int> identity_list(const Invocation&);
Outcome<int> identity_show(const Invocation&);
Outcome<int> identity_create(const Invocation&);
Outcome<int> identity_verify(const Invocation&);
Outcome<int> identity_import(const Invocation&);
Outcome<int> identity_export(const Invocation&);
Outcome<int> identity_recover(const Invocation&);
Outcome<int> identity_forget(const Invocation&);
Outcome<int> identity_reload(const Invocation&);
Outcome<int> measure(const Invocation&);
Outcome<int> state_show(const Invocation&);
Outcome<int> state_snapshot(const Invocation&);
Outcome<int> state_reset(const Invocation&);
Outcome<int> update_show(const Invocation&);
Outcome<int> update_stage(const Invocation&);
Outcome<int> update_configure(const Invocation&);
Outcome<int> update_plan(const Invocation&);
Outcome<int> update_reboot(const Invocation&);
Outcome<int> update_retry(const Invocation&);
Outcome<int> update_abort(const Invocation&);
Outcome<int> update_commit(const Invocation&);
Outcome<int> recovery_key_new(const Invocation&);
Outcome<int> recovery_key_set(const Invocation&);
Outcome<int> recovery_key_show(const Invocation&);
Outcome<int> recovery_key_remove(const Invocation&);

/// Every command, in the order of the help.
std::span<const Command> commands();

/// The whole help, or that of one command.
std::string help_text();
std::string help_text(const Command& command);

}  // namespace lethe::ctl
