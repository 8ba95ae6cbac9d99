#include "health/ailment.hpp"

#include <charconv>
#include <sstream>

#include "relay/clock.hpp"
#include "tor/control_port_reply.hpp"

namespace lethe {
namespace {

template <class... Args>
Ailment passing(std::format_string<Args...> format, Args&&... args) {
    return {std::format(format, std::forward<Args>(args)...), false};
}
template <class... Args>
Ailment lasting(std::format_string<Args...> format, Args&&... args) {
    return {std::format(format, std::forward<Args>(args)...), true};
}
template <class... Args>
Ailment network(std::format_string<Args...> format, Args&&... args) {
    return {std::format(format, std::forward<Args>(args)...), false, true};
}

// "reason" behind a colon, when there is one.
std::string because(const std::string& reason) { return reason.empty() ? "" : ": " + reason; }

std::string answer(const TorAnswers& answers, const std::string& key) {
    const auto found = answers.find(key);
    return found == answers.end() ? "" : found->second;
}

unsigned number_in(std::string_view text) {
    unsigned number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::optional<Ailment> bootstrap_ailment(const TorAnswers& answers, const std::string& fingerprint) {
    const auto own = answer(answers, "fingerprint");
    if (own.empty()) return passing("tor has no fingerprint yet");
    if (own != fingerprint) return lasting("tor has the fingerprint {}, and {} is sealed", printable_words(own), fingerprint);
    const auto phase = answer(answers, "status/bootstrap-phase");
    if (const auto progress = number_in(control_word(phase, "PROGRESS").value_or("")); progress < 100)
        return network("tor has bootstrapped {} %{}", progress, because(printable_words(control_word(phase, "SUMMARY").value_or(""))));
    if (answer(answers, "status/enough-dir-info") != "1") return network("tor knows too little of the network to build circuits");
    if (answer(answers, "status/circuit-established") != "1") return network("tor has built no circuit");
    return std::nullopt;
}

// tor writes the flags in a line that begins with "s ".
bool has_flag(const std::string& entry, const std::string& flag) {
    std::istringstream lines(entry);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("s ")) return (line + " ").contains(" " + flag + " ");
    return false;
}

std::optional<std::chrono::sys_seconds> parse_time(const std::string& text) {
    std::istringstream stream(text);
    std::chrono::sys_seconds time;
    stream >> std::chrono::parse("%F %T", time);
    if (stream.fail()) return std::nullopt;
    return time;
}

std::string entry_key(const std::string& fingerprint) { return "ns/id/" + fingerprint; }

std::optional<Ailment> consensus_ailment(const TorAnswers& answers, const std::string& fingerprint, std::chrono::sys_seconds booted) {
    const auto made = parse_time(answer(answers, "consensus/valid-after"));
    if (!made) return network("tor has no consensus");
    if (*made <= booted) return network("tor's consensus is of {:%F %T} UTC, and the machine booted at {:%F %T} UTC", *made, booted);
    const auto entry = answer(answers, entry_key(fingerprint));
    if (entry.empty()) return network("it is not in the consensus of {:%F %T} UTC", *made);
    if (!has_flag(entry, "Running")) return network("it is not Running in the consensus of {:%F %T} UTC", *made);
    return std::nullopt;
}

}  // namespace

std::optional<Ailment> keys_ailment(const RelayIdentity& relay) {
    if (relay.state == "installed") return std::nullopt;
    // Keys that are still to be made may come; others stay as they are until a person acts.
    return Ailment{std::format("its keys are {}{}", relay.state, because(relay.reason)), relay.state != "pending"};
}

std::optional<Ailment> unit_ailment(const std::string& unit, const systemd::UnitState& state) {
    if (state.active == "active") return std::nullopt;
    // systemd has given it up: a unit that is started again is "activating" in between. One that waits for the clock has checked its keys.
    return Ailment{std::format("{} is {}{}", unit, state.active, because(printable_words(state.text))), state.active == "failed",
                   state.active == "activating" && state.text.contains(no_time_server)};
}

std::vector<std::string> tor_questions(HealthNeeds needs, const std::string& fingerprint) {
    std::vector<std::string> keys;
    if (needs >= HealthNeeds::bootstrap)
        keys = {"fingerprint", "status/bootstrap-phase", "status/enough-dir-info", "status/circuit-established"};
    if (needs >= HealthNeeds::reachability) keys.push_back("status/reachability-succeeded/or");
    if (needs >= HealthNeeds::consensus) keys.insert(keys.end(), {"consensus/valid-after", entry_key(fingerprint)});
    return keys;
}

std::optional<Ailment> tor_ailment(const TorAnswers& answers, HealthNeeds needs, const std::string& fingerprint,
                                   std::chrono::sys_seconds booted) {
    if (needs < HealthNeeds::bootstrap) return std::nullopt;
    if (auto ailment = bootstrap_ailment(answers, fingerprint)) return ailment;
    if (needs < HealthNeeds::reachability) return std::nullopt;
    if (answer(answers, "status/reachability-succeeded/or") != "1") return network("tor has not found its ORPort reachable");
    if (needs < HealthNeeds::consensus) return std::nullopt;
    return consensus_ailment(answers, fingerprint, booted);
}

}  // namespace lethe
