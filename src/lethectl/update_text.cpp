#include "lethectl/update_text.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <nlohmann/json.hpp>

#include "lethectl/output.hpp"

namespace lethe::ctl {
namespace {

constexpr std::string_view timeout = "org.freedesktop.DBus.Error.Timeout";
// What the bus says where no lethe-updated is installed, or an administrator has masked it.
constexpr std::array absent = {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
                               "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked"};

// The fallback, where nothing is known of why.
std::string failure_text(const Updates& updates) {
    if (!updates.last_failure.empty()) return updates.last_failure;
    return std::format("{} was tried, and the machine went back to {}", updates.staged->version, updates.running.version);
}

std::string running_text(const Updates& updates) {
    return std::format("{}, Secure Boot {}", updates.running.trial ? "on trial" : "kept", updates.running.secure_boot ? "on" : "off");
}

std::string staged_state_text(const StagedRelease& staged) {
    const auto count = [](std::uint32_t tries) { return std::format("{} {}", tries, tries == 1 ? "try" : "tries"); };
    if (staged.state == "staged") return std::format("the next boot tries it, {} left", count(staged.tries_left));
    if (staged.state == "failed") return std::format("failed after {}", count(staged.tries_done));
    if (staged.state == "waiting")
        return std::format("waits for the network after {} {}", staged.trials, staged.trials == 1 ? "trial" : "trials");
    if (staged.state == "unfinished") return "unfinished: power went while it was staged";
    return staged.state;
}

std::string policy_text(const Updates& updates) {
    const auto& state = updates.policy_state;
    if (state == "trial" && updates.admitted.size() == 1) return "the running release is on trial, and alone opens the vault";
    if (state == "wide") return "another release opens the vault besides the running one, and must not";
    if (state == "running") return "the running release alone opens the vault";
    if (state == "staged") return "the running release and the staged one open the vault";
    if (state == "trial") return "the running release is on trial, and the one before it still opens the vault";
    if (state == "not-enrolled") return "there is none: `lethectl enroll` seals a vault";
    if (state == "none") return "this machine has no ESP with releases";
    if (state == "mismatch") return "the running release is not in it";
    return state;
}

std::string releases_table(const Updates& updates) {
    if (updates.running.version.empty() && !updates.staged) return "";
    std::vector<std::vector<Cell>> rows{
        {{"RELEASE", Tone::strong}, {"VERSION", Tone::strong}, {"FILE", Tone::strong}, {"STATE", Tone::strong}}};
    const auto& [running, staged] = std::tie(updates.running, updates.staged);
    if (!running.version.empty()) rows.push_back({{"running"}, {running.version, Tone::strong}, {running.file}, {running_text(updates)}});
    if (staged)
        rows.push_back({{"staged"},
                        {staged->version, Tone::strong},
                        {staged->file},
                        {staged_state_text(*staged), staged->state == "staged" ? Tone::plain : Tone::bad}});
    return table(rows);
}

}  // namespace

std::optional<Updates> updates_or_unknown(const Outcome<Updates>& read, bool commit_failed) {
    if (read) return *read;
    const auto& [status, message, error_name] = read.error();
    if (std::ranges::contains(absent, error_name)) return std::nullopt;
    Updates unknown;
    unknown.policy_state = "unknown";
    if (error_name != timeout) unknown.reason = message;
    else if (commit_failed)
        unknown.reason = message + ", and lethe-commit.service has failed: see `systemctl status lethe-commit lethe-updated`";
    else unknown.reason = message + " (an update may be under way)";
    if (!commit_failed || error_name != timeout) unknown.error_name = error_name;
    return unknown;
}

bool needs_person(const Updates& updates) {
    const auto& state = updates.policy_state;
    if (state == "none" || updates.error_name == timeout) return false;
    return state == "mismatch" || state == "wide" || state == "not-enrolled" || state == "unknown" || !updates.reason.empty() ||
           !updates.last_failure.empty() || (updates.staged && updates.staged->state != "staged");
}

std::string update_line(const Updates& updates, std::uint64_t now) {
    const auto& [state, reason, staged] = std::tie(updates.policy_state, updates.reason, updates.staged);
    // Who has no vault is told so by the vault.
    if (state == "none" || state == "not-enrolled") return "";
    const auto line = [](std::string_view what, std::string_view text) { return std::format("  update {}: {}\n", what, text); };
    const bool waits = staged && staged->state == "waiting";
    if (state == "unknown" || state == "mismatch" || state == "wide" || (!reason.empty() && !waits))
        return line(state, reason.empty() ? policy_text(updates) : reason);
    if (waits) return line("waiting", updates.last_failure + (reason.empty() ? "" : "; " + reason));
    if (staged && staged->state == "failed") return line("failed", failure_text(updates) + "; `lethectl update abort` takes it away");
    if (staged && staged->state != "staged")
        return line(staged->state,
                    std::format("{} was not staged to the end: stage it again, or `lethectl update abort`", staged->version));
    if (!updates.last_failure.empty()) return line("failed", updates.last_failure);
    if (updates.running.trial) return line("on trial", std::format("{} is kept when it is found healthy", updates.running.version));
    const auto planned = updates.reboot_at == 0 ? "" : std::format("reboot planned for {}", moment_text(updates.reboot_at, now));
    if (staged) return line("staged", std::format("the next boot tries {}{}{}", staged->version, planned.empty() ? "" : "; ", planned));
    return planned.empty() ? "" : std::format("  {}\n", planned);
}

std::string updates_text(const Updates& updates, std::uint64_t now) {
    auto text = releases_table(updates);
    std::vector<std::vector<Cell>> rows;
    if (!updates.admitted.empty()) rows.push_back({{"Admitted"}, {list_text(updates.admitted)}});
    const bool is_bad = updates.policy_state == "mismatch" || updates.policy_state == "wide";
    rows.push_back({{"Policy"}, {policy_text(updates), is_bad ? Tone::bad : Tone::plain}});
    if (!updates.last_failure.empty()) rows.push_back({{"Last failure"}, {updates.last_failure, Tone::bad}});
    if (updates.staged && updates.staged->again != 0) rows.push_back({{"Staged again"}, {moment_text(updates.staged->again, now)}});
    if (updates.reboot_at != 0) rows.push_back({{"Reboot"}, {moment_text(updates.reboot_at, now)}});
    text += table(rows);
    if (!updates.reason.empty()) text += std::format("  {}\n", updates.reason);
    return text;
}

nlohmann::ordered_json updates_json(const Updates& updates) {
    const auto& running = updates.running;
    nlohmann::ordered_json staged;
    if (updates.staged)
        staged = {{"version", updates.staged->version},
                  {"file", updates.staged->file},
                  {"state", updates.staged->state},
                  {"tries_left", updates.staged->tries_left},
                  {"tries_done", updates.staged->tries_done},
                  {"trials", updates.staged->trials},
                  {"again", updates.staged->again}};
    return {
        {"policy_state", updates.policy_state},
        {"error", updates.error_name},
        {"reason", updates.reason},
        {"running", {{"version", running.version}, {"file", running.file}, {"secure_boot", running.secure_boot}, {"trial", running.trial}}},
        {"staged", staged},
        {"admitted", updates.admitted},
        {"last_failure", updates.last_failure},
        {"reboot_at", updates.reboot_at}};
}

std::string retried_text(const std::string& version) {
    return version.empty() ? "nothing to do: no release waits for the network, or its time has not come\n" : staged_text(version);
}

std::string staged_text(const std::string& version) {
    return std::format(
        "{} is staged: the next boot tries it, and goes back to the running release unless it is healthy\n"
        "`lethectl update plan` shows what the reboot costs, `lethectl update reboot` does it, `lethectl update abort` takes {} back\n",
        version, version);
}

}  // namespace lethe::ctl
