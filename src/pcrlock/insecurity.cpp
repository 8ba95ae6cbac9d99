#include "pcrlock/insecurity.hpp"

#include <algorithm>
#include <format>

#include "measure/measurement.hpp"

namespace lethe {

namespace {

constexpr unsigned external_code = 2;  // drivers that a disk or a card adds to the firmware

std::string_view standing(SecureBoot state) { return state == SecureBoot::setup ? "Secure Boot is in setup mode" : "Secure Boot is off"; }

std::string way_to_pcr_7(SecureBoot state) {
    if (state == SecureBoot::on)
        return "`lethectl update commit` puts PCR 7 into the policy, and says why it cannot; each boot that is found good tries it.";
    return std::format("To end it, {}: the next boot that is found good puts PCR 7 into the policy.", way_to_secure_boot(state));
}

}  // namespace

Insecurity insecurity(SecureBoot secure_boot, const std::optional<std::vector<unsigned>>& policy) {
    const auto holds = [&](unsigned pcr) { return std::ranges::contains(*policy, pcr); };
    const auto state = standing(secure_boot);
    if (secure_boot == SecureBoot::on && (!policy || holds(pcr::secure_boot_policy))) return {};
    if (secure_boot == SecureBoot::on)
        return {
            "The policy does not hold PCR 7: the vault opens with Secure Boot off as well, when anyone who can write to the disk can start "
            "a "
            "driver before anything that is measured, and read the keys.",
            way_to_pcr_7(secure_boot)};
    if (!policy || holds(pcr::secure_boot_policy))
        return {
            std::format("{}: anyone who can write to the disk can start a driver or another system before anything that is measured.",
                        state),
            std::format("This machine is enrolled, and opens its vault, only with Secure Boot on: {}.", way_to_secure_boot(secure_boot))};
    if (holds(external_code))
        return {std::format(
                    "{}, and the policy has PCR 2 in place of PCR 7 (--insecure-boot): nothing has to be signed, and anyone who can boot "
                    "another system here can steer this one through EFI variables that no PCR in the policy shows.",
                    state),
                "For laboratories only: keep no relay here whose keys matter. " + way_to_pcr_7(secure_boot)};
    return {std::format(
                "{}, and the policy holds neither PCR 7 nor PCR 2 (an earlier release enrolled this machine): anyone who can write to the "
                "disk can start a driver before anything that is measured, and read the keys.",
                state),
            way_to_pcr_7(secure_boot)};
}

}  // namespace lethe
