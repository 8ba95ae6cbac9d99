#include "health/health_check.hpp"

#include <algorithm>

namespace lethe {
namespace {

constexpr std::chrono::milliseconds shortest_wait{250}, longest_wait{5000};

// Lasting ones alone, when there are any: what is only late has not been waited for.
std::string reasons(const std::vector<Ailment>& ailments) {
    const bool is_lasting = std::ranges::any_of(ailments, &Ailment::is_lasting);
    std::string text;
    for (const auto& ailment : ailments)
        if (ailment.is_lasting == is_lasting) text += (text.empty() ? "" : "; ") + ailment.reason;
    return text;
}

}  // namespace

Result<void> HealthCheck::wait() {
    for (auto step = shortest_wait;; step = std::min(2 * step, longest_wait)) {
        const auto ailments = look();
        if (ailments.empty()) return {};
        const auto left = rules_.deadline - sources_.elapsed();
        if (left.count() <= 0 || std::ranges::any_of(ailments, &Ailment::is_lasting)) {
            lacks_network_alone_ = std::ranges::all_of(ailments, &Ailment::is_network);
            return fail(ErrorKind::wrong_state, "{}", reasons(ailments));
        }
        sources_.wait(std::min(step, left));
    }
}

// Not a matter of time: a release that is kept is what the policy admits alone, so it must not depend on what nobody has signed.
std::optional<Ailment> HealthCheck::boot_ailment() {
    if (rules_.insecure_boot) return std::nullopt;
    const auto state = sources_.secure_boot();
    if (!state) return Ailment{state.error().message, true};
    if (*state == SecureBoot::on) return std::nullopt;
    return Ailment{std::format("Secure Boot is {}, and no boot of a production release is healthy without it: {}",
                               *state == SecureBoot::setup ? "in setup mode" : "off", way_to_secure_boot(*state)),
                   true};
}

std::vector<Ailment> HealthCheck::look() {
    if (auto ailment = boot_ailment()) return {*std::move(ailment)};
    const auto status = sources_.identity();
    if (!status) return {{status.error().message}};
    if (auto ailment = vault_ailment(*status)) return {*std::move(ailment)};
    std::vector<Ailment> ailments;
    for (const auto& relay : status->relays) {
        auto ailment = relay_ailment(relay);
        if (!ailment) continue;
        ailment->reason.insert(0, std::format("relay {}: ", relay.name));
        ailments.push_back(*std::move(ailment));
    }
    return ailments;
}

std::optional<Ailment> HealthCheck::vault_ailment(const IdentityStatus& status) {
    if (status.vault == "open") return std::nullopt;
    // lethe-identityd opens it once, when it starts.
    if (status.vault != "not-enrolled") return Ailment{std::format("the vault is {}: {}", status.vault, status.reason), true};
    const auto enrolment = sources_.unit("lethe-enroll.service");
    if (!enrolment) return Ailment{enrolment.error().message};
    if (enrolment->active == "failed") return Ailment{"the machine could not be enrolled; see `systemctl status lethe-enroll`", true};
    return std::nullopt;
}

std::optional<Ailment> HealthCheck::relay_ailment(const RelayIdentity& relay) {
    if (relay.state == "unlisted") return std::nullopt;  // not meant to be on this machine
    if (auto ailment = keys_ailment(relay)) return ailment;
    const auto unit = std::format("tor@{}.service", relay.name);
    const auto state = sources_.unit(unit);
    if (!state) return Ailment{state.error().message};
    if (auto ailment = unit_ailment(unit, *state)) return ailment;
    const auto questions = tor_questions(rules_.needs, relay.fingerprint);
    if (questions.empty()) return std::nullopt;
    const auto answers = sources_.ask_tor(relay.name, questions);
    if (!answers) return Ailment{answers.error().message};
    return tor_ailment(*answers, rules_.needs, relay.fingerprint, sources_.booted());
}

}  // namespace lethe
